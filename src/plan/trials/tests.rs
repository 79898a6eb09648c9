use super::*;

/// 1 to 9: the type 7 quantile at 0.1 is 1 + 0.8 = 1.8, at 0.9 it is 8.2.
#[test]
fn quantiles_lie_between_neighbours() {
    let values: Vec<f64> = (1..=9).map(f64::from).collect();
    assert_eq!([0.0, 0.1, 0.5, 0.9, 1.0].map(|p| quantile(&values, p)), [1.0, 1.8, 5.0, 8.2, 9.0]);
    assert_eq!(quantile(&[7.0], 0.9), 7.0);
}

/// 100 evenly spaced values: the median's rank has a deviation of 5, so 45 to 55, half of 10.
#[test]
fn the_error_of_a_quantile_is_that_of_its_rank() {
    let values: Vec<f64> = (1..=100).map(f64::from).collect();
    assert_eq!(quantile_error(&values, 0.5), 5.0);
    let Figures { quantiles: of, errors } = figures(&values, 3.0);
    assert_eq!((of.mean, of.mid), (50.5, 3.0));
    // s = 29.01, over √100
    assert!((errors[3] - 2.901).abs() < 1e-3, "{}", errors[3]);
}

#[test]
fn what_does_not_vary_has_no_error() {
    assert_eq!(relative_error(&[5.0; 10]), 0.0);
    assert_eq!(relative_error(&[5.0]), f64::INFINITY);
}

#[test]
fn money_is_told_to_a_hundredth_of_a_cent() {
    assert_eq!(usd(12.345_678_9).to_string(), "12.3457");
}
