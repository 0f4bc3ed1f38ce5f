# The things one does here. `.ci/run` holds what must pass before a merge; the
# recipes of the same names call it, so that there is one of each.

# Show the recipes.
default:
    @just --list --unsorted

# Play a real day of buses, in the optimised build.
demo *arguments:
    cargo run --release -- demo {{arguments}}

# Run the worker, in the optimised build: `just run --config fleet.toml`.
run *arguments:
    cargo run --release -- run {{arguments}}

# Everything that must pass before a merge.
ci *steps:
    .ci/run {{steps}}

# Is every file formatted?
format:
    .ci/run format

# Clippy, warnings are errors.
lint:
    .ci/run lint

# All tests.
tests:
    .ci/run tests

# The BigQuery stand-in by Google's own Python clients.
python-clients:
    .ci/run python_clients

# Terraform: form, references, and tests of the modules without a provider.
terraform:
    .ci/run terraform

# The API documentation, warnings are errors.
docs:
    .ci/run docs

# Licences, duplicates and sources of the dependencies.
dependencies:
    .ci/run dependencies

# Every bench once, measuring nothing.
bench-check:
    .ci/run bench

# Measure.
bench *arguments:
    cargo bench -p benches -- {{arguments}}

# Measure accuracy against delay, detection, or the whole: `just measure pipeline --only core`.
measure *arguments:
    cargo run --release -p benches -- {{arguments}}

# Format every file.
fmt:
    cargo fmt --all

# Write anew what is generated: protobuf code, the configuration page, the table columns.
generate:
    FLEETSTREAM_REGENERATE=1 cargo test -p protos -p local-cloud --test fresh
    FLEETSTREAM_REGENERATE=1 cargo test -p engine --test reference_page --test docs
