//! What may not even compile: a forged permit, an overlooked obligation, a permit used twice.

#[test]
fn forgeries_do_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/forgeries/honest.rs");
    cases.compile_fail("tests/forgeries/forged_*.rs");
    cases.compile_fail("tests/forgeries/overlooked_*.rs");
    cases.compile_fail("tests/forgeries/twice_*.rs");
}
