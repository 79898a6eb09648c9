//! Tells what was decided about a series.

use super::{
    Ahead, Fit, History,
    factors::Days,
    methods::{self, Method, Scale, Seasons},
    smooth::Trend,
    weigh::Block,
};
use crate::measure::units::count;

impl History {
    /// Tells what was decided.
    pub(super) fn decisions(&self, fit: &Fit, found: &Ahead) -> Vec<String> {
        let mut told = Vec::new();
        let cleaned = &fit.cleaned;
        let from = self.values.len() - cleaned.values.len();
        if let Some(block) = &found.block {
            told.push(self.model(block));
        }
        if cleaned.ended {
            told.push(
                "The series has ended: its last rows are 0 for longer than ever before.".into(),
            );
        }
        if found.rare {
            told.push(
                "Most rows are 0 without a pattern: mean, median and intervals are those of the past values.".into(),
            );
        }
        let rows = |number: usize| count(number, self.distance.noun());
        if self.filled > 0 {
            told.push(format!("Missing and filled along the season: {}.", rows(self.filled)));
        }
        if cleaned.outage > 0 {
            told.push(format!("Left out as an outage: {}.", rows(cleaned.outage)));
        }
        if cleaned.outliers > 0 {
            told.push(format!("Capped as outliers: {}.", rows(cleaned.outliers)));
        }
        if let (true, Some(last)) = (cleaned.unfinished, self.moments.last()) {
            told.push(format!("The last row ({last}) looks unfinished and is left out."));
        }
        if let Some((row, factor)) = cleaned.shift {
            let when = self.moments[from + row];
            told.push(format!(
                "The level shifted by a factor of {factor:.2} at {when}; earlier rows are scaled to it."
            ));
        }
        match fit.days {
            Days::Same => {}
            Days::All => told.push("Months are compared per day.".into()),
            Days::Weekdays => {
                told.push("Months are compared per day from Monday to Friday.".into());
            }
        }
        if !self.holidays.is_empty() {
            let text = if fit.effects.is_empty() {
                "The holidays are not used: their past does not repeat.".into()
            } else {
                format!("Holidays used: {}.", fit.effects.len())
            };
            told.push(text);
        }
        if let Some(limit) = self.limit {
            told.push(format!("Growth approaches {limit}, and no value exceeds it."));
        }
        if from > 0 {
            told.push(format!("Fitted to the last {}.", rows(cleaned.values.len())));
        }
        told
    }

    /// Tells the model of the first rows: what has the larger part of the weight.
    fn model(&self, block: &Block) -> String {
        let all = methods::all();
        let share = |of: &dyn Fn(Method) -> bool| -> f64 {
            block
                .weights
                .iter()
                .filter(|weight| of(all[weight.method]))
                .map(|weight| weight.share)
                .sum()
        };
        let seasons = self.seasons();
        let name = |seasons: &[usize]| {
            let names: Vec<String> =
                seasons.iter().map(|rows| count(*rows, self.distance.noun())).collect();
            format!("season of {}", names.join(" and "))
        };
        let naive = |method: Method| matches!(method, Method::Naive | Method::Mean);
        let with = |wanted: Seasons| {
            share(&|method| matches!(method, Method::Smoothed(seasons, ..) if seasons == wanted))
        };
        let repeated = share(&naive);
        let without = with(Seasons::Without) + if seasons.is_empty() { repeated } else { 0.0 };
        let mut season = vec![(without, "no season".to_owned())];
        match &seasons[..] {
            [] => {}
            [_] => season.push((with(Seasons::Shortest) + repeated, name(&seasons))),
            [short, ..] => {
                season.push((with(Seasons::Shortest), name(&[*short])));
                season.push((with(Seasons::All) + repeated, name(&seasons)));
            }
        }
        let trend = |wanted: Trend| {
            share(&|method| matches!(method, Method::Smoothed(.., trend) if trend == wanted))
        };
        let trends = vec![
            (trend(Trend::Flat) + share(&naive), "no trend".to_owned()),
            (trend(Trend::Damped), "damped trend".to_owned()),
            (trend(Trend::Theta), "half of the past trend".to_owned()),
            (trend(Trend::Linear), "trend".to_owned()),
        ];
        let logs = share(&|method| matches!(method, Method::Smoothed(_, Scale::Log, _)));
        let scale = match (logs > 0.5, self.limit, block.logs) {
            (false, ..) => "plain values",
            (true, Some(_), _) => "logistic scale",
            (true, None, true) => "logarithms",
            (true, None, false) => "square roots",
        };
        let main = |parts: Vec<(f64, String)>| {
            let first =
                parts.into_iter().reduce(|best, part| if part.0 > best.0 { part } else { best });
            first.map_or_else(String::new, |(_, name)| name)
        };
        let methods = count(block.weights.len(), "method");
        let model = format!("{}, {}, {scale}", main(season), main(trends));
        if block.weights.len() == 1 {
            return format!("Model: {model}.");
        }
        format!("Model: mainly {model}; {methods} weighed by their past errors.")
    }
}
