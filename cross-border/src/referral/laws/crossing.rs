//! Two councils over a line that delays, doubles and crosses what they write: both come to the same.

use std::collections::BTreeMap;

use super::*;
use crate::exchange::Inserted;
use crate::referral::ReferralId;
use crate::referral::event::{Drafted, MessageMeta};
use crate::referral::receive::{Effect, Receive};
use crate::referral::testing::{GUANGDONG, partner, region, sealed_text};
use crate::referral::vocabulary::Direction;

/// A message on its way; its act stands for its text, and the submission has none.
#[derive(Debug, Clone)]
struct Letter {
    to: Side,
    message: MessageMeta,
    act: Option<Act>,
}

/// One council's replica, with what waits to be carried out.
#[derive(Debug, Clone)]
struct Council {
    state: Referral,
    waiting: BTreeMap<u32, Act>,
}

impl Council {
    fn transfer(&self) -> &Transfer {
        self.state.transfer().expect("a council that acts knows the referral")
    }

    /// Does an act of its own; gives the message that tells of it, if one does.
    fn act(&mut self, act: Act, now: DateTime<Utc>) -> Option<Letter> {
        let before = self.transfer().clone();
        let act = ready(&before, act);
        let happened = decide(&self.state, now, ReferralCommand { at: None, act: act.clone() }).ok()?;
        self.state = happened.iter().fold(self.state.clone(), Referral::evolve);
        let Act::Tell(tell) = act else { return None };
        Some(Letter { to: before.own_side().other(), message: tell.issued.clone(), act: Some(tell.act.clone()) })
    }

    /// Takes a message; whether it could, and must not be sent again.
    fn hear(&mut self, letter: &Letter, now: DateTime<Utc>) -> Result<bool, TestCaseError> {
        let Some(receive) = self.reading(letter)? else { return Ok(false) };
        let command = ReferralCommand { at: None, act: Act::Receive(Box::new(receive)) };
        let happened = match decide(&self.state, now, command) {
            Ok(happened) => happened,
            Err(refused) => return Err(TestCaseError::fail(format!("a sound message was refused: {refused}"))),
        };
        self.state = happened.iter().fold(self.state.clone(), Referral::evolve);
        Ok(true)
    }

    /// The message as this council takes it: sealed for its own subject, with what is in order now.
    fn reading(&mut self, letter: &Letter) -> Result<Option<Receive>, TestCaseError> {
        let Some(transfer) = self.state.transfer() else {
            let opens = letter.act.is_none();
            return Ok(opens.then(|| reading(letter, Some(opened(letter)), Vec::new())));
        };
        let entry = &letter.message.entry;
        let effects = match transfer.preview(entry) {
            Err(error) => return Err(TestCaseError::fail(format!("a sound message has no place: {error}"))),
            Ok(Inserted::Duplicate) => Vec::new(),
            Ok(Inserted::Parked) => {
                self.waiting.extend(letter.act.clone().map(|act| (entry.sequence, act)));
                Vec::new()
            }
            Ok(Inserted::Ready(sequences)) => {
                self.waiting.extend(letter.act.clone().map(|act| (entry.sequence, act)));
                let effect = |sequence: u32| Effect { sequence, act: self.waiting[&sequence].clone() };
                sequences.into_iter().map(effect).collect()
            }
        };
        Ok(Some(reading(letter, None, effects)))
    }
}

fn reading(letter: &Letter, opening: Option<Drafted>, effects: Vec<Effect>) -> Receive {
    let subject = match letter.to {
        Side::Origin => presentation().subject,
        Side::Target => domain::id::SubjectId::of_referral(inbound(letter).as_uuid()),
    };
    let message = MessageMeta { content: sealed_text(subject), ..letter.message.clone() };
    Receive { opening, message, evidence: Vec::new(), effects }
}

fn inbound(letter: &Letter) -> ReferralId {
    ReferralId::inbound(&partner(GUANGDONG), &letter.message.shared.to_string())
}

/// The referral as it begins in Hong Kong.
fn opened(letter: &Letter) -> Drafted {
    Drafted {
        referral: inbound(letter),
        direction: Direction::Inbound,
        complaint: None,
        seat: region("810000"),
        partner: partner(GUANGDONG),
        partner_reference: Some(letter.message.shared.to_string()),
        ..drafted_to(HONG_KONG)
    }
}

/// Both councils and the line between them.
#[derive(Debug, Clone)]
struct World {
    origin: Council,
    target: Council,
    /// Everything that was ever written; a letter stays, so that it can come again.
    written: Vec<Letter>,
    /// What has not arrived yet, by place in `written`.
    on_the_way: Vec<usize>,
    /// The receipt of the submission has not come back yet.
    receipt_owed: bool,
    now: DateTime<Utc>,
}

impl World {
    /// Guangdong has submitted, and nothing has arrived.
    fn new() -> Self {
        let origin = sent().transfer();
        let entry = origin.segment.head(Side::Origin).unwrap().clone();
        let message = MessageMeta { entry, ..next_message(&origin, Side::Origin, MessageKind::Submission, WRITTEN) };
        Self {
            origin: Council { state: sent().state(), waiting: BTreeMap::new() },
            target: Council { state: Referral::Unknown, waiting: BTreeMap::new() },
            written: vec![Letter { to: Side::Target, message, act: None }],
            on_the_way: vec![0],
            receipt_owed: false,
            now: time(WRITTEN),
        }
    }

    fn council(&mut self, side: Side) -> &mut Council {
        match side {
            Side::Origin => &mut self.origin,
            Side::Target => &mut self.target,
        }
    }

    fn act(&mut self, side: Side, throw: Dice) {
        let now = self.now;
        let council = self.council(side);
        let Some(transfer) = council.state.transfer() else { return };
        let allowed = transfer.allowed();
        // Otherwise most walks would be called back before they began.
        let rash = |action: &Action| *action == Action::Recall && !throw.a.is_multiple_of(7);
        let likely: Vec<Action> = allowed.into_iter().filter(|action| !rash(action)).collect();
        if likely.is_empty() {
            return;
        }
        let act = act(transfer, pick(&likely, throw.which / 5), throw.a);
        if let Some(letter) = council.act(act, now) {
            self.on_the_way.push(self.written.len());
            self.written.push(letter);
        }
    }

    /// One letter arrives, whether for the first time or again.
    fn arrive(&mut self, which: usize) -> Result<(), TestCaseError> {
        let (letter, now) = (self.written[which].clone(), self.now);
        if self.council(letter.to).hear(&letter, now)? {
            self.on_the_way.retain(|waiting| *waiting != which);
            self.receipt_owed |= letter.act.is_none();
        }
        Ok(())
    }

    fn receipt(&mut self) {
        if self.receipt_owed {
            let now = self.now;
            let told = self.origin.act(deliver(), now);
            assert!(told.is_none(), "nobody is told of a receipt");
        }
    }

    fn step(&mut self, throw: Dice) -> Result<(), TestCaseError> {
        self.now += Duration::hours(throw.hours);
        match throw.which % 5 {
            0 => self.act(Side::Origin, throw),
            1 => self.act(Side::Target, throw),
            2 | 3 if !self.on_the_way.is_empty() => self.arrive(pick(&self.on_the_way, throw.a))?,
            4 if throw.a.is_multiple_of(3) => self.receipt(),
            _ => self.arrive(throw.a % self.written.len())?,
        }
        Ok(())
    }

    /// Whatever is on its way arrives, in an order by the throws.
    fn settle(&mut self, throws: &[Dice]) -> Result<(), TestCaseError> {
        let mut round = 0_usize;
        while !self.on_the_way.is_empty() {
            // Throws that keep choosing what cannot be taken yet give way to taking turns.
            let throw = throws.get(round % throws.len().max(1)).filter(|_| round < 100).map_or(0, |throw| throw.a);
            self.arrive(pick(&self.on_the_way, throw + round))?;
            round += 1;
            prop_assert!(round < 10_000, "what was sent never arrives");
        }
        self.receipt();
        Ok(())
    }

    fn check_same(&self) -> Result<(), TestCaseError> {
        let (origin, target) = (self.origin.transfer(), self.target.transfer());
        prop_assert_eq!(origin.shared(), target.shared());
        prop_assert_eq!(&origin.segment, &target.segment);
        let digest = origin.segment.digest(origin.shared());
        prop_assert_eq!(digest, target.segment.digest(target.shared()));
        prop_assert_eq!(origin.stage, target.stage);
        prop_assert_eq!(origin.outcome, target.outcome);
        prop_assert!(origin.parked.is_empty() && target.parked.is_empty());
        // A recall stops here and there at different messages; nothing but where it ended is the same then.
        if !origin.stage.is_recalled() {
            prop_assert_eq!(&origin.reference, &target.reference);
            prop_assert_eq!(origin.retrieved, target.retrieved);
            prop_assert_eq!(&origin.sessions, &target.sessions);
            prop_assert_eq!(origin.evidence.keys().collect::<Vec<_>>(), target.evidence.keys().collect::<Vec<_>>());
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn both_councils_come_to_the_same_whatever_crosses(throws in prop::collection::vec(dice(), 0..60)) {
        let mut world = World::new();
        for throw in &throws {
            world.step(*throw)?;
        }
        world.settle(&throws)?;
        world.check_same()?;
    }
}

/// The recall and an act of Hong Kong are written before either has arrived.
fn cross(before: &[Act], theirs: Act) -> World {
    let mut world = World::new();
    let now = world.now;
    let deliver_all = |world: &mut World| world.settle(&[]).unwrap();
    deliver_all(&mut world);
    for act in before {
        let letter = world.target.act(act.clone(), now).expect("Hong Kong may do it");
        world.written.push(letter);
        world.on_the_way.push(world.written.len() - 1);
        deliver_all(&mut world);
    }
    let ours = world.origin.act(recall(RecallReason::ConsentWithdrawn), now).expect("we may call it back");
    let theirs = world.target.act(theirs, now).expect("Hong Kong may do it");
    for letter in [ours, theirs] {
        world.on_the_way.push(world.written.len());
        world.written.push(letter);
    }
    deliver_all(&mut world);
    world
}

#[test]
fn a_recall_wins_over_everything_that_it_crosses() {
    let acknowledged = || acknowledge("HK-9");
    let give_back = Act::Return(Return { code: ReturnCode::NotLocal, note: None });
    for (before, theirs) in [
        (Vec::new(), Act::Retrieve(Retrieve {})),
        (Vec::new(), acknowledged()),
        (Vec::new(), give_back),
        (vec![acknowledged()], progress(ProgressKind::Handling)),
        (vec![acknowledged()], offer(1, SessionForm::VideoMediation)),
        (vec![acknowledged()], outcome(ReferralOutcome::Settled)),
        (vec![acknowledged()], Act::AddEvidence(file("a"))),
    ] {
        let mut world = cross(&before, theirs);
        let now = world.now;
        world.check_same().unwrap();
        assert_eq!(world.origin.transfer().stage, Stage::Recalled { after_sending: true, erased: None });
        let answer = Act::AnswerRecall(AnswerRecall { erased: true, note: None });
        let letter = world.target.act(answer, now).expect("what was called back is answered");
        assert!(world.origin.hear(&letter, now).unwrap());
        world.check_same().unwrap();
        assert_eq!(world.origin.transfer().stage, Stage::Recalled { after_sending: true, erased: Some(true) });
    }
}

#[test]
fn both_may_add_the_same_file_at_once() {
    let mut world = World::new();
    let now = world.now;
    world.settle(&[]).unwrap();
    let one = world.origin.act(Act::AddEvidence(file("a")), now).unwrap();
    let other = world.target.act(Act::AddEvidence(file("a")), now).unwrap();
    assert!(world.target.hear(&one, now).unwrap());
    assert!(world.origin.hear(&other, now).unwrap());
    world.check_same().unwrap();
    assert_eq!(world.origin.transfer().evidence.len(), 1);
}
