//! `docs/configuration.md` is what the table of settings says.

use std::fs;
use std::path::Path;

#[test]
fn the_reference_page_is_fresh() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let written = engine::config::reference();
    if std::env::var_os("FLEETSTREAM_REGENERATE").is_some() {
        fs::create_dir_all(page.parent().expect("it is in a directory")).expect("writable");
        fs::write(&page, &written).expect("writable");
    }
    let found = fs::read_to_string(&page).unwrap_or_default();
    assert!(
        found == written,
        "docs/configuration.md is not what the table of settings says; \
         write it with FLEETSTREAM_REGENERATE=1 cargo test -p engine --test reference_page"
    );
}
