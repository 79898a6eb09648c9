use super::*;

#[test]
fn names_of_sheets_are_short_unique_and_allowed() {
    let mut taken = BTreeSet::new();
    let name = |title: &str, taken: &mut BTreeSet<String>| sheet_name(title, taken);
    assert_eq!(name("Cost: EC2/EBS [USD]", &mut taken), "Cost EC2 EBS USD");
    assert_eq!(name("cost: ec2/ebs [usd]", &mut taken), "cost ec2 ebs usd 2");
    assert_eq!(name("=cmd|' /C calc'!A0", &mut taken), "cmd| C calc !A0");
    assert_eq!(name("", &mut taken), "Table");
    let long = "x".repeat(40);
    assert_eq!(name(&long, &mut taken).len(), 31);
    assert_eq!(name(&long, &mut taken), format!("{} 2", "x".repeat(27)));
}

proptest::proptest! {
    #[test]
    fn any_title_gives_a_name_that_a_sheet_takes(titles in proptest::collection::vec(".{0,40}", 1..6)) {
        let mut taken = BTreeSet::new();
        for title in &titles {
            let name = sheet_name(title, &mut taken);
            proptest::prop_assert!(Worksheet::new().set_name(&name).is_ok(), "{title:?} -> {name:?}");
        }
        proptest::prop_assert_eq!(taken.len(), titles.len());
    }
}
