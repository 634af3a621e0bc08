//! What must not compile: forging, copying, printing or reusing the values that carry the promise.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test that fails panics")]

#[test]
fn the_gate_holds() {
    let gate = trybuild::TestCases::new();
    gate.compile_fail("tests/gate/*.rs");
}
