# The everyday commands. `just` lists them; each is one line that works without `just`, too.
# `cargo install just`, or `pip install rust-just`.

_list:
    @just --list --unsorted

# Start the stack on http://127.0.0.1:3000, tables in .scrip/
run *options:
    cargo run -- {{options}}

# Play the seven scenes of the demo on their own tables
demo:
    cargo run -- demo

# Run a command of the operator's program: `just scrip --local audit`
scrip *words:
    cargo run -p cli -- {{words}}

# Install the operator's program
install:
    cargo install --locked --path cli --profile cli

# Run every test; the small size of every proof
test *names:
    cargo test --workspace -- {{names}}

# Run one module of the tests, and show its output
module name *options:
    cargo test -p tests --test it {{name}} -- --nocapture {{options}}

# Play the full size of every proof, optimised
proof *names:
    SCRIP_PROOF=full cargo test --profile proof -p tests -- {{names}}

# Run this many operations of the simulation, from this seed on
simulate operations="1000000" seed="1":
    cargo run --profile proof -p tests -- --operations {{operations}} --seed {{seed}}

# Compare Scrip with what others do in its place, and write docs/reference/benchmarks.md
compare *options:
    cargo run --profile proof -p bench --features servers -- compare {{options}}

# Count the instructions of a debit, and fail if they are 3 % more than in docs/reference/counts.toml
counts *options:
    cargo run --profile proof -p bench -- counts {{options}}

# Check form, lints and documents, as CI does
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --features bench/servers -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Run the stories on Amazon's DynamoDB Local as well
second-opinion:
    .ci/second-opinion

# Send random requests over the whole contract; wants schemathesis
contract:
    cargo build -p local
    .ci/contract/run target/debug/local schemathesis

# Write the replies to events/ again, and show the changes
events:
    UPDATE_EXPECT=1 cargo test -p tests --test it deploy::events::
    git diff --stat tests/it/snapshots

# Write the cost tables of the documents again, after prices.toml or a cost changed
costs:
    UPDATE_EXPECT=1 cargo test -p tests --test it costs::
    git diff --stat docs

# Render the documents' screenshots again
screenshots:
    cargo run -p tests --bin screenshots

# Build the functions as they are deployed; wants the SAM CLI, cargo-lambda and ziglang
sam-build:
    sam build

# Build a release into dist/: zips, template, programs, checksums
release *options:
    tools/release {{options}}

# Run every file of events/ through its function, in the containers of sam local
sam-local command="invoke":
    tools/sam_local.py {{command}}

# Smoke-test a deployed stack, or a local one with --url
smoke *options:
    tools/smoke.py {{options}}

# Time a function from its start to its first reply
start-up bootstrap event:
    tools/start_up.py {{bootstrap}} {{event}}

# Check the dependencies: licences, bans, sources
deny:
    cargo deny check bans licenses sources

# Run everything that CI runs
ci:
    .ci/run
