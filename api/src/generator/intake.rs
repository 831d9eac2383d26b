//! What comes in, and when: filings in the order in which they are entered, the people in them sealed.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::NaiveDate;
use domain::calendar::WorkingCalendar;
use domain::day::{day_number, from_day_number};
use domain::filing::{Complainant, FilingItem, ItemKind, Received, RegisterFiling};
use domain::id::{FilingId, SubjectId, UnitId};
use domain::privacy::Sealed;
use domain::vocabulary::{Category, Channel};
use event_log::vault::SubjectVault;

use super::dice::Dice;
use super::mix::{ALSO_REPORT, CATEGORIES, CHANNELS, HOURS, PROVINCE_INTAKE, day_weight};
use super::network::{Network, Seat};
use super::office::{DAY, MINUTE, day_start, local_day, moment};
use super::people::{self, Purchase};
use super::{GenerateError, Plan};
use crate::commands::Failure;
use crate::graphql::mutation::filing::item_number;

/// Filings whose people are sealed at a time: their keys are made durable together.
const SEALED_TOGETHER: usize = 2_048;

/// Seals what is known of people.
pub trait Sealer: Send {
    /// One sealed value for each (subject, purpose, text), in their order.
    ///
    /// # Errors
    /// Nothing can be sealed.
    fn seal(&mut self, values: &[(SubjectId, &str, &str)]) -> Result<Vec<Sealed>, Failure>;
}

impl Sealer for Arc<SubjectVault> {
    fn seal(&mut self, values: &[(SubjectId, &str, &str)]) -> Result<Vec<Sealed>, Failure> {
        Ok(self.seal_many(values)?)
    }
}

/// A filing about to be entered.
#[derive(Debug)]
pub(super) struct Arrival {
    /// When it is entered.
    pub(super) at: i64,
    pub(super) seat: Seat,
    /// The unit that enters it.
    pub(super) unit: UnitId,
    pub(super) filing: RegisterFiling,
}

pub(super) struct Intake {
    plan: Plan,
    network: Arc<Network>,
    dice: Dice,
    sealer: Box<dyn Sealer>,
    /// The days to come, with how many filings each has.
    days: VecDeque<(i64, u64)>,
    /// The moments still to come on the day under way.
    moments: VecDeque<i64>,
    /// The day under way as it stands in numbers: `20260506`.
    date: String,
    /// How many filings each city has had on the day under way.
    numbers: Vec<u32>,
    ready: VecDeque<Arrival>,
}

/// A filing with what must be sealed still in clear.
struct Draft {
    arrival: Arrival,
    subject: SubjectId,
    person: Option<Person>,
    facts: Option<String>,
}

struct Person {
    name: String,
    phone: String,
    consents_to_disclosure: bool,
    consents_to_delegation: bool,
}

impl Intake {
    pub(super) fn new(plan: Plan, network: Arc<Network>, sealer: Box<dyn Sealer>) -> Self {
        Self {
            dice: Dice::new(plan.seed, 0),
            days: allot(&plan),
            numbers: vec![0; network.city_count()],
            plan,
            network,
            sealer,
            moments: VecDeque::new(),
            date: String::new(),
            ready: VecDeque::new(),
        }
    }

    /// When the next filing is entered; `None` when there are no more.
    pub(super) fn next_at(&mut self) -> Result<Option<i64>, GenerateError> {
        if self.ready.is_empty() {
            self.prepare()?;
        }
        Ok(self.ready.front().map(|arrival| arrival.at))
    }

    /// The next filing.
    pub(super) fn take(&mut self) -> Option<Arrival> {
        self.ready.pop_front()
    }

    fn prepare(&mut self) -> Result<(), GenerateError> {
        let mut drafts = Vec::new();
        while drafts.len() < SEALED_TOGETHER {
            match self.moments.pop_front() {
                Some(at) => drafts.push(self.draft(at)),
                None => match self.days.pop_front() {
                    Some((day, filings)) => self.begin_day(day, filings),
                    None => break,
                },
            }
        }
        let mut sealed = self.seal(&drafts)?.into_iter();
        for draft in drafts {
            let arrival = draft.complete(&mut sealed).ok_or(GenerateError::SealedTooFew)?;
            self.ready.push_back(arrival);
        }
        Ok(())
    }

    fn begin_day(&mut self, day: i64, filings: u64) {
        let dice = &mut self.dice;
        let mut moments: Vec<i64> = (0..filings)
            .map(|_| {
                let hour = dice.weighted(&HOURS);
                day_start(day) + i64::from(hour) * 3_600 + dice.span(0, 3_599)
            })
            .collect();
        moments.sort_unstable();
        self.moments = moments.into();
        self.date = date_of(day).format("%Y%m%d").to_string();
        self.numbers.fill(0);
    }

    fn draft(&mut self, at: i64) -> Draft {
        let network = Arc::clone(&self.network);
        let dice = &mut self.dice;
        let seat = network.draw(dice);
        let (city, area) = (network.city(seat), network.area(seat));
        let number = self.numbers.get_mut(seat.city).map_or(0, |filings| {
            *filings += 1;
            *filings
        });
        let external = format!("1{}00{}{number:05}", city.code, self.date);
        let channel = dice.weighted(&CHANNELS);
        let source = source_of(channel);
        let filing = FilingId::derived(source, &external);
        let unit = if dice.chance(PROVINCE_INTAKE) { network.province.clone() } else { city.unit.clone() };
        let purchase = people::purchase(city, area, dice);
        let category = dice.weighted(&CATEGORIES);
        let happened = came_in(at, channel, dice);
        let bought_on = date_of(local_day(happened - dice.span(1, 45) * DAY));
        // Drawn whether or not it is wanted, so that a log without personal data has the same cases.
        let facts = people::facts(&purchase, category, bought_on, dice);
        let person = Person {
            name: people::name(dice),
            phone: people::phone(dice),
            consents_to_disclosure: dice.chance(620),
            consents_to_delegation: dice.chance(710),
        };
        let items = items(&external, category, purchase, dice.chance(ALSO_REPORT));
        let received = Received {
            filing,
            source: source.to_owned(),
            external_number: external,
            channel,
            region: area.region,
            unit: unit.clone(),
            complainant: None,
        };
        Draft {
            arrival: Arrival { at, seat, unit, filing: RegisterFiling { at: Some(moment(happened)), received, items } },
            subject: SubjectId::in_filing(filing, "complainant"),
            person: self.plan.personal.then_some(person),
            facts: self.plan.facts.then_some(facts),
        }
    }

    fn seal(&mut self, drafts: &[Draft]) -> Result<Vec<Sealed>, GenerateError> {
        let mut values = Vec::new();
        for draft in drafts {
            if let Some(person) = &draft.person {
                values.push((draft.subject, "name", person.name.as_str()));
                values.push((draft.subject, "phone", person.phone.as_str()));
            }
            if let Some(facts) = &draft.facts {
                values.push((draft.subject, "facts", facts.as_str()));
            }
        }
        if values.is_empty() { Ok(Vec::new()) } else { self.sealer.seal(&values).map_err(GenerateError::Seal) }
    }
}

impl Draft {
    /// Puts the sealed values in, in the order they were asked for.
    fn complete(self, sealed: &mut impl Iterator<Item = Sealed>) -> Option<Arrival> {
        let mut arrival = self.arrival;
        if let Some(person) = self.person {
            arrival.filing.received.complainant = Some(Complainant {
                name: sealed.next()?,
                phone: sealed.next()?,
                address: None,
                consents_to_disclosure: person.consents_to_disclosure,
                consents_to_delegation: person.consents_to_delegation,
            });
        }
        if self.facts.is_some() {
            arrival.filing.items.first_mut()?.facts = Some(sealed.next()?);
        }
        Some(arrival)
    }
}

/// The filings of each day: as the days weigh, exactly as many as planned in all.
fn allot(plan: &Plan) -> VecDeque<(i64, u64)> {
    let calendar = WorkingCalendar::mainland();
    let days = usize::try_from(plan.days).unwrap_or(0);
    let weights: Vec<(i64, u64)> = plan
        .first_day()
        .iter_days()
        .take(days)
        .map(|day| (i64::from(day_number(day)), day_weight(day, calendar)))
        .collect();
    let all: u64 = weights.iter().map(|(_, weight)| weight).sum();
    let (mut passed, mut given) = (0_u64, 0_u64);
    let mut days = VecDeque::with_capacity(weights.len());
    for (day, weight) in weights {
        passed += weight;
        let due = plan.cases.saturating_mul(passed) / all.max(1);
        days.push_back((day, due - given));
        given = due;
    }
    days
}

/// When it came in; letters and visits are entered later.
fn came_in(entered: i64, channel: Channel, dice: &mut Dice) -> i64 {
    match channel {
        Channel::Letter => entered - dice.span(1, 60) * 60 * MINUTE,
        Channel::Visit => entered - dice.span(10, 50) * MINUTE,
        _ => entered,
    }
}

fn source_of(channel: Channel) -> &'static str {
    match channel {
        Channel::Hotline12345 => "12345",
        Channel::Letter | Channel::Visit | Channel::Phone => "intake",
        _ => "12315",
    }
}

fn items(external: &str, category: Category, purchase: Purchase, also_report: bool) -> Vec<FilingItem> {
    let complaint = FilingItem {
        item: 1,
        kind: ItemKind::Complaint,
        number: item_number(external, ItemKind::Complaint, 1),
        category,
        respondent: Some(purchase.respondent),
        amount: purchase.amount,
        remedies: purchase.remedies,
        facts: None,
        source: None,
    };
    let report = also_report.then(|| FilingItem {
        item: 2,
        kind: ItemKind::Report,
        number: item_number(external, ItemKind::Report, 2),
        amount: None,
        remedies: Vec::new(),
        ..complaint.clone()
    });
    std::iter::once(complaint).chain(report).collect()
}

fn date_of(day: i64) -> NaiveDate {
    i32::try_from(day).ok().and_then(from_day_number).unwrap_or_default()
}
