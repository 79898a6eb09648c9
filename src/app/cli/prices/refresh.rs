//! `runrate prices refresh`: the only command that requests prices from AWS.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    app::{
        aws::{
            ec2::{self, Ec2},
            price_list::{Bulk, Products, Unread},
        },
        cli::{
            AwsArgs,
            output::{Output, answer},
            say,
        },
        store,
    },
    error::{Error, Place, nearest},
    facts::{
        commitment_rates,
        price_list::{
            Change, Commitments, Item, Offer, Outcome, Rules, SavingsPlan, Scope, Service, merge,
            merge_commitments,
        },
        prices::{GLOBAL, PriceBook},
        shapes::Catalog,
    },
    page::content::prices as page,
};

/// Folder of the price book in a checkout.
pub(super) const FOLDER: &str = "pricing-cache";

#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(in crate::app::cli) struct Args {
    /// Download prices of this region, any that AWS lists; may be repeated
    #[arg(long = "region", value_name = "REGION", required = true)]
    regions: Vec<String>,
    /// Download only this service or kind of Savings Plans; may be repeated [default: all modelled services, and with
    /// --via bulk all Savings Plans]
    #[arg(long = "service", value_name = "CODE")]
    services: Vec<String>,
    /// Read bulk files, or use the Price List API (needs credentials)
    #[arg(long, value_enum, default_value_t = Via::Bulk)]
    via: Via,
    /// Download spot prices from EC2 too (needs credentials)
    #[arg(long)]
    spot: bool,
    /// Download instance types from EC2 too (needs credentials)
    #[arg(long)]
    instance_types: bool,
    /// Update the price book in this folder; an empty folder gets the built-in book first
    #[arg(long, value_name = "DIR", default_value = FOLDER)]
    dir: PathBuf,
    /// First replace damaged files of the book by those of the built-in book
    #[arg(long, conflicts_with = "dry_run")]
    repair: bool,
    /// Print the changes and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    aws: AwsArgs,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Via {
    /// Public files
    Bulk,
    /// The Price List API
    Api,
}

/// Where price lists come from.
enum Source {
    Bulk(Box<Bulk>),
    Api(Box<Products>),
}

pub(in crate::app::cli) fn run(args: &Args) -> Result<(), Error> {
    let rules: Rules = store::model()?;
    let catalog = store::embedded_catalog()?;
    let (services, plans) = services(args, &rules)?;
    if args.repair {
        repair(&args.dir)?;
    }
    let mut manifest = store::price_manifest(&store::book_at(&args.dir)?)?;
    let book = store::load_prices(&manifest, None)?;
    manifest.unlock();
    let now = jiff::Timestamp::now();
    let today = jiff::tz::TimeZone::UTC.to_datetime(now).date();
    let mut source = match args.via {
        Via::Bulk => Source::Bulk(Box::new(Bulk::connect(
            &rules.bulk_url,
            &args.aws.settings(&rules.api_region),
        )?)),
        Via::Api => {
            Source::Api(Box::new(Products::connect(&args.aws.settings(&rules.api_region))?))
        }
    };
    let prefixes = prefixes(args, &catalog, &mut source)?;
    let hours = store::model::<commitment_rates::Rules>()?.hours_per_year;
    let mut run = Run { manifest: &manifest, hours, files: BTreeMap::new(), lines: Vec::new() };
    let mut changes: Vec<Change> = Vec::new();
    let regional: Vec<&str> = args.regions.iter().map(String::as_str).collect();
    for service in services {
        for &region in if service.global { &[GLOBAL][..] } else { &regional } {
            let prefixes = prefixes.get(region).map_or(&[][..], Vec::as_slice);
            let scope = Scope { rules: &rules, service, region, prefixes, today };
            say(&format!("{region} {} …", service.code));
            let wanted = scope.wanted(&book);
            let read = match &mut source {
                Source::Bulk(bulk) => bulk.read(&scope, wanted),
                Source::Api(products) => products.read(&scope, wanted),
            };
            let Some((offer, mut line)) = run.read(read, (region, &service.code))? else {
                continue;
            };
            let outcome = merge(&book, &offer, &scope);
            line.fill(&offer, &outcome);
            keep(&mut run.files, &mut changes, (region, &service.code), outcome);
            run.commitments(&offer, (&service.code, &service.code), &scope, &mut line)?;
            run.lines.push(line);
        }
    }
    for (plan, &region) in plans.iter().flat_map(|plan| regional.iter().map(move |own| (plan, own)))
    {
        let Source::Bulk(bulk) = &mut source else { break };
        let service = rules
            .service(&plan.service)
            .map_err(|message| Error::at(Place::file("price_list.toml"), message))?;
        let prefixes = prefixes.get(region).map_or(&[][..], Vec::as_slice);
        let scope = Scope { rules: &rules, service, region, prefixes, today };
        say(&format!("{region} {} …", plan.code));
        let read = bulk.read_savings_plans(plan, &scope);
        let Some((offer, mut line)) = run.read(read, (region, &plan.code))? else { continue };
        line.version = Some(offer.version.clone());
        line.rows = offer.rows;
        run.commitments(&offer, (&plan.code, &plan.service), &scope, &mut line)?;
        run.lines.push(line);
    }
    let Run { mut files, mut lines, .. } = run;
    if args.spot || args.instance_types {
        for region in &args.regions {
            let ec2 = Ec2::connect(&args.aws.settings(region), &rules.spot, now)?;
            let place = (region.as_str(), &rules, &book, &catalog);
            if args.spot {
                lines.push(spot(&ec2, place, (now, today), &mut files, &mut changes)?);
            }
            if args.instance_types {
                lines.push(instance_types(&ec2, place, today, &mut files)?);
            }
        }
    }
    finish(args, (&manifest, &files), &page::Refresh { files: lines, changes })
}

fn repair(book: &Path) -> Result<(), Error> {
    let repaired = store::repair_prices(book)?;
    for path in &repaired {
        say(&format!("repaired {}", book.join(path).display()));
    }
    if repaired.is_empty() {
        say("the price book is intact; nothing to repair");
    }
    Ok(())
}

fn wrong(flag: &str, message: String) -> Error {
    Error::at(Place { key: Some(flag.into()), ..Place::default() }, message)
}

/// Returns the services and Savings Plans that are downloaded.
fn services<'r>(
    args: &Args,
    rules: &'r Rules,
) -> Result<(Vec<&'r Service>, Vec<&'r SavingsPlan>), Error> {
    let all = args.services.is_empty();
    let asked = |code: &String| args.services.contains(code);
    let plans: Vec<&SavingsPlan> =
        rules.savings_plans.iter().filter(|plan| all || asked(&plan.code)).collect();
    if args.via == Via::Api && !all && !plans.is_empty() {
        let message = format!("the Price List API has no {}; use --via bulk", plans[0].code);
        return Err(wrong("--service", message));
    }
    let mut services = Vec::new();
    for code in &args.services {
        if !plans.iter().any(|plan| plan.code == *code) {
            services.push(rules.service(code).map_err(|message| wrong("--service", message))?);
        }
    }
    Ok((if all { rules.services.iter().collect() } else { services }, plans))
}

/// Service whose index has every region.
const EVERYWHERE: &str = "AmazonEC2";

/// Returns the prefixes of the regions' usage types; none for a region that AWS lists and the program does not know.
///
/// # Errors
/// A region that AWS does not list.
fn prefixes(
    args: &Args,
    catalog: &Catalog,
    source: &mut Source,
) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let mut found = BTreeMap::new();
    let mut listed: Option<Vec<String>> = None;
    for region in &args.regions {
        let known = catalog.prefix(region);
        if let (None, Source::Bulk(bulk), None) = (known, &mut *source, &listed) {
            let regions = bulk.regions(EVERYWHERE);
            listed = Some(regions.map_err(|unread| {
                let (Unread::List(error) | Unread::All(error)) = unread;
                let known = catalog.regions().map(|(region, _)| region.as_str());
                match nearest(region, known) {
                    Some(near) => wrong("--region", format!(
                        "no region {region:?} is known; did you mean {near:?}? AWS's own list of regions was not read: {error}"
                    )),
                    None => error,
                }
            })?);
        }
        let codes = catalog.regions().map(|(region, _)| region);
        let codes: Vec<&str> = codes.chain(listed.iter().flatten()).map(String::as_str).collect();
        if known.is_none() && !listed.iter().flatten().any(|own| own == region) {
            let near = nearest(region, codes.iter().copied());
            let hint = near.map_or_else(
                || format!("expected one of {}", codes.join(", ")),
                |near| format!("did you mean {near:?}?"),
            );
            return Err(wrong("--region", format!("AWS lists no region {region:?}; {hint}")));
        }
        found.insert(region.clone(), known.into_iter().cloned().collect());
    }
    Ok(found)
}

/// What a run has read so far.
struct Run<'m> {
    manifest: &'m store::Manifest,
    /// Hours of a year of a term.
    hours: u32,
    files: BTreeMap<String, String>,
    lines: Vec<page::Refreshed>,
}

impl Run<'_> {
    /// Returns what was read and its line; a list that is not there or was not read is a line of its own.
    fn read(
        &mut self,
        read: Result<Option<Offer>, Unread>,
        (region, code): (&str, &str),
    ) -> Result<Option<(Offer, page::Refreshed)>, Error> {
        let mut line = page::Refreshed::new(region, code);
        match read {
            Ok(Some(offer)) => return Ok(Some((offer, line))),
            Ok(None) => {
                say(&format!("{region} {code}: AWS lists nothing; the book keeps its prices"));
            }
            Err(Unread::List(error)) => line.error = Some(error.to_string()),
            Err(Unread::All(error)) => return Err(error),
        }
        self.lines.push(line);
        Ok(None)
    }

    /// Puts an offer's rates into the region's file of commitments.
    fn commitments(
        &mut self,
        offer: &Offer,
        (list, service): (&str, &str),
        scope: &Scope<'_>,
        line: &mut page::Refreshed,
    ) -> Result<(), Error> {
        if offer.commitments.is_empty() {
            return Ok(());
        }
        let path = store::commitments_file(scope.region, service);
        let old = match self.files.get(&path) {
            Some(text) => text.clone(),
            None => store::price_text(self.manifest, &path)?.unwrap_or_default(),
        };
        let done = merge_commitments(&path, &old, (offer, list, self.hours), scope)?;
        let Commitments { confirmed, changed, added, ref kept, .. } = done;
        line.rates = confirmed + changed + added;
        line.kept.extend(kept.iter().map(|(offering, reason)| page::Kept {
            usage_type: offering.clone(),
            operation: String::new(),
            reason: reason.clone(),
        }));
        if line.rates > 0 {
            self.files.insert(path, done.text);
        }
        Ok(())
    }
}

fn keep(
    files: &mut BTreeMap<String, String>,
    changes: &mut Vec<Change>,
    (region, service): (&str, &str),
    outcome: Outcome,
) {
    changes.extend(outcome.changes);
    if outcome.confirmed > 0 || outcome.taken > 0 {
        files.insert(format!("{region}/{service}.csv"), outcome.text);
    }
}

type Known<'a> = (&'a str, &'a Rules, &'a PriceBook, &'a Catalog);

/// Downloads spot prices: their means as a price list, and every single price.
fn spot(
    ec2: &Ec2,
    (region, rules, book, catalog): Known<'_>,
    (now, today): (jiff::Timestamp, jiff::civil::Date),
    files: &mut BTreeMap<String, String>,
    changes: &mut Vec<Change>,
) -> Result<page::Refreshed, Error> {
    say(&format!("{region} spot prices …"));
    let facts = &rules.spot;
    let prices = ec2.spot_prices(facts)?;
    let prefixes: Vec<String> = catalog.prefix(region).into_iter().cloned().collect();
    let billed = |kind: &str| format!("{}{kind}", facts.usage_type);
    let item = |(kind, mean): (String, f64)| -> Result<Item, Error> {
        let price = crate::measure::units::UnitPrice::parse(&format!("{mean:.6}"));
        Ok(Item {
            sku: "EC2 spot".into(),
            billed_usage_type: billed(&kind),
            operation: facts.operation.clone(),
            description: format!("mean of {} days over time and zones", facts.days),
            unit: facts.unit.clone(),
            begin: rust_decimal::Decimal::ZERO,
            end: None,
            price: price.map_err(|message| Error::failed(Place::default(), message))?,
            effective: today.to_string(),
        })
    };
    let items: Vec<Item> =
        ec2::means(&prices, facts.days, now).into_iter().map(item).collect::<Result<_, _>>()?;
    let offer = Offer {
        version: "DescribeSpotPriceHistory".into(),
        published: today.to_string(),
        rows: prices.len() as u64,
        items,
        commitments: Vec::new(),
    };
    // Instance types that are new to the book are added.
    let service = Service {
        code: facts.service.clone(),
        add: vec![facts.usage_type.clone()],
        ..Service::default()
    };
    let scope = Scope { rules, service: &service, region, prefixes: &prefixes, today };
    // Added to the prices of the bulk files, if both were read.
    let path = format!("{region}/{}.csv", facts.service);
    let mut book = book.clone();
    if let Some(text) = files.get(&path) {
        book.insert(region, &facts.service, crate::facts::prices::Table::parse(&path, text)?);
    }
    let mut outcome = merge(&book, &offer, &scope);
    // A list of spot prices does not cover the other meters.
    outcome.kept.retain(|(meter, _)| meter.usage_type.starts_with(facts.usage_type.as_str()));
    let mut line = page::Refreshed::new(region, "EC2 spot");
    line.fill(&offer, &outcome);
    keep(files, changes, (region, &facts.service), outcome);
    let header = "region,availability_zone,instance_type,timestamp,usd_per_hour,source\n";
    let mut rows: Vec<String> = prices
        .iter()
        .map(|price| {
            format!(
                "{region},{},{},{},{},DescribeSpotPriceHistory {today}\n",
                price.availability_zone, price.instance_type, price.timestamp, price.usd_per_hour
            )
        })
        .collect();
    rows.sort_unstable();
    let history = format!("{region}/{}.spot_history.csv", facts.service);
    files.insert(history, format!("{header}{}", rows.concat()));
    Ok(line)
}

/// Downloads instance types, in the columns of the built-in ones.
fn instance_types(
    ec2: &Ec2,
    (region, _, _, catalog): Known<'_>,
    today: jiff::civil::Date,
    files: &mut BTreeMap<String, String>,
) -> Result<page::Refreshed, Error> {
    say(&format!("{region} instance types …"));
    let mut types = ec2.instance_types()?;
    types.sort_by(|a, b| a.name.cmp(&b.name));
    // The columns of the built-in instance types.
    let text = store::model_text("ec2.csv")?;
    let header: Vec<&str> = text.lines().next().unwrap_or_default().split(',').collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| Error::failed(Place::default(), error.to_string());
    writer.write_record(&header).map_err(failed)?;
    let mut line = page::Refreshed::new(region, "EC2 instance types");
    line.rows = types.len() as u64;
    for kind in &types {
        let known = kind.columns();
        let cells = header.iter().map(|name| match *name {
            "as_of" => today.to_string(),
            "source" => "EC2 DescribeInstanceTypes".into(),
            name => known.get(name).cloned().unwrap_or_default(),
        });
        writer.write_record(cells).map_err(failed)?;
        let new = catalog.shape(&kind.name).is_none();
        line.added += usize::from(new);
        line.confirmed += usize::from(!new);
    }
    let bytes =
        writer.into_inner().map_err(|error| Error::failed(Place::default(), error.to_string()))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    files.insert(format!("{region}/{}", store::INSTANCE_TYPES), text);
    Ok(line)
}

fn finish(
    args: &Args,
    (read, files): (&store::Manifest, &BTreeMap<String, String>),
    done: &page::Refresh,
) -> Result<(), Error> {
    let unread: Vec<String> = done
        .files
        .iter()
        .filter_map(|file| Some((file, file.error.as_ref()?)))
        .map(|(file, error)| format!("{} {}: {error}", file.region, file.service))
        .collect();
    if files.is_empty() {
        let message = "no list contained a modelled price; nothing was written".to_owned();
        let all: Vec<String> = unread.into_iter().chain([message]).collect();
        return Err(Error::failed(Place::default(), all.join("\n")));
    }
    if args.dry_run {
        say(&format!("{} files would change; nothing was written (--dry-run)", files.len()));
    } else {
        let written = store::save_prices(&args.dir, read, files)?;
        say(&format!("wrote {written} files and the manifest to {}", args.dir.display()));
        say(&format!("plan with them: --prices {}", args.dir.display()));
    }
    answer(&page::refresh_page(done), done, &args.output)?;
    if unread.is_empty() {
        return Ok(());
    }
    let lists = if unread.len() == 1 { "1 list was" } else { "some lists were" };
    let message = format!(
        "{lists} not read and the book keeps those prices; all other lists were read:\n{}",
        unread.join("\n")
    );
    Err(Error::failed(Place::default(), message))
}
