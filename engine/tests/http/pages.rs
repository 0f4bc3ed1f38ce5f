//! The live map as a browser gets it.

use std::process::Command;

use crate::client::get;
use crate::world::World;

#[tokio::test]
async fn the_page_is_self_contained_under_a_strict_policy() {
    let world = World::new().await;
    let page = get(world.address, "/").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    let html = String::from_utf8(page.body).unwrap();
    assert!(html.contains("data-vehicles=\"0\""));
    assert!(!html.contains("style=") && !html.contains("onclick="), "the policy forbids inline");

    // Everything it refers to is here, and of a type that `nosniff` accepts.
    let mut parts = 0;
    for attribute in html.split('"').filter(|part| part.starts_with('/') && !part.starts_with("/>"))
    {
        let answer = get(world.address, attribute).await;
        assert_eq!(answer.status, 200, "{attribute}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        parts += 1;
    }
    assert_eq!(parts, 3, "script, style and icon");
    let script = get(world.address, "/map.js").await;
    assert!(script.header("content-type").unwrap().starts_with("text/javascript"));
    let text = String::from_utf8(script.body).unwrap();
    assert!(!text.contains("https://") && !html.contains("https://"), "nothing from elsewhere");
    for kind in engine::http::KINDS {
        assert!(text.contains(&format!("{kind}:")), "the page has no words for {kind}");
    }
}

/// Its own tests are beside it, in `map`; they need Node.js and nothing else.
#[test]
fn the_page_s_script_does_what_its_tests_say() {
    if Command::new("node").arg("--version").output().is_err() {
        println!("skipped: Node.js is not installed");
        return;
    }
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/map/map.test.mjs");
    let run = Command::new("node").args(["--test", tests]).output().expect("node is there");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
}
