use super::*;
use crate::exchange::{Digest, Entry, Seen, SegmentError, SessionForm, Step};
use crate::partner::Place;
use crate::referral::testing::{
    Decided, GUANGDONG, HONG_KONG, acknowledge, acknowledged, answer, came_in, clock, drafted_from_macao, drafted_to,
    file, given, next_message, nothing, offer, opening, outcome, partner, progress, recall, region, sent, subject,
    taken, time,
};
use crate::referral::vocabulary::{ProgressKind, RecallReason, ReferralOutcome};
use crate::referral::{Action, Rejection, Stage};

const BEGUN: &str = "2026-05-18T09:00:00+08:00";
const NOW: &str = "2026-05-22T10:00:00+08:00";

fn receive(receive: Receive) -> Act {
    Act::Receive(Box::new(receive))
}

fn begun() -> Receive {
    opening(drafted_from_macao(), BEGUN)
}

fn opened(receipt: Receive) -> Decided {
    given(nothing()).at(BEGUN).when(receive(receipt))
}

/// The next messages of the Hong Kong council after what was sent, one after the other.
fn lane(kinds: &[MessageKind]) -> Vec<MessageMeta> {
    let mut transfer = sent().transfer();
    let mut lane = Vec::new();
    for kind in kinds {
        let message = next_message(&transfer, Side::Target, *kind, NOW);
        transfer = after(transfer, [&ReferralEvent::MessageReceived(Box::new(message.clone()))], time(NOW));
        lane.push(message);
    }
    lane
}

fn taking(message: &MessageMeta, effects: Vec<Effect>) -> Act {
    receive(Receive { opening: None, message: message.clone(), evidence: Vec::new(), effects })
}

fn first() -> Effect {
    Effect { sequence: 1, act: acknowledge("HK-9") }
}

fn second() -> Effect {
    Effect { sequence: 2, act: progress(ProgressKind::Handling) }
}

fn third() -> Effect {
    Effect { sequence: 3, act: outcome(ReferralOutcome::Settled) }
}

const KINDS: [MessageKind; 3] = [MessageKind::Acknowledgement, MessageKind::Progress, MessageKind::Outcome];

#[test]
fn a_submission_begins_a_referral_here() {
    let receipt = Receive { evidence: vec![file("a")], ..begun() };
    let transfer = opened(receipt.clone())
        .then([
            ReferralEvent::Drafted(Box::new(drafted_from_macao())),
            ReferralEvent::MessageReceived(Box::new(receipt.message.clone())),
            ReferralEvent::Delivered(Delivered { receipt: None }),
            clock(Step::Retrieval, Place::Guangdong, "2026-05-18", "2026-05-20"),
            clock(Step::Acknowledgement, Place::Guangdong, "2026-05-18", "2026-05-27"),
            clock(Step::Outcome, Place::Guangdong, "2026-05-18", "2026-07-17"),
            file("a").added(Side::Origin, None),
        ])
        .transfer();
    assert_eq!((transfer.stage, transfer.own_side()), (Stage::Delivered, Side::Target));
    assert_eq!(Some(transfer.shared().to_string()), transfer.drafted.partner_reference);
    assert_eq!(transfer.segment.entries(Side::Origin), [receipt.message.entry]);
}

#[test]
fn nothing_else_begins_one() {
    let unopened = Receive { opening: None, ..begun() };
    opened(unopened).then_err(|refused| *refused == Rejection::NotDrafted);
    let mut later = begun();
    later.message = next_message(&came_in().transfer(), Side::Origin, MessageKind::Recall, BEGUN);
    opened(later).then_err(|refused| *refused == Rejection::NotDrafted);
    let outbound = Receive { opening: Some(drafted_to(HONG_KONG)), ..begun() };
    opened(outbound).then_err(|refused| *refused == Rejection::MessageOutOfPlace);
    let effective = Receive { effects: vec![first()], ..begun() };
    opened(effective).then_err(|refused| *refused == Rejection::EffectsMissing { expected: Vec::new() });
}

#[test]
fn its_sender_is_a_partner_with_an_agreement_and_its_number_is_there() {
    let unnumbered = Drafted { partner_reference: None, ..drafted_from_macao() };
    opened(Receive { opening: Some(unnumbered), ..begun() })
        .then_err(|refused| *refused == Rejection::PartnerReferenceMissing);
    let neighbour = Drafted { partner: partner(GUANGDONG), ..drafted_from_macao() };
    opened(Receive { opening: Some(neighbour), ..begun() })
        .then_err(|refused| matches!(refused, Rejection::NoAgreement { .. }));
    let nowhere = Drafted { seat: region("710000"), ..drafted_from_macao() };
    opened(Receive { opening: Some(nowhere), ..begun() })
        .then_err(|refused| matches!(refused, Rejection::UnknownRegion(_)));
    let foreign = Drafted { partner: partner(HONG_KONG), ..drafted_from_macao() };
    opened(Receive { opening: Some(foreign), ..begun() })
        .then_err(|refused| matches!(refused, Rejection::ForeignMessage { .. }));
}

#[test]
fn a_message_that_comes_again_changes_nothing() {
    given(came_in()).at(NOW).when(receive(Receive { opening: None, ..begun() })).then([]);
    given(came_in()).at(NOW).when(receive(begun())).then([]);
    let lane = lane(&KINDS);
    let once = sent().and(NOW, taking(&lane[0], vec![first()]));
    for effects in [vec![first()], Vec::new()] {
        given(once.clone()).at(NOW).when(taking(&lane[0], effects)).then([]);
    }
}

#[test]
fn one_that_came_early_waits_and_all_take_effect_in_their_order() {
    let lane = lane(&KINDS);
    let kept = |message: &MessageMeta| ReferralEvent::MessageReceived(Box::new(message.clone()));
    let waiting = given(sent()).at(NOW).when(taking(&lane[2], Vec::new())).then([kept(&lane[2])]);
    let waiting = given(waiting).at(NOW).when(taking(&lane[1], Vec::new())).then([kept(&lane[1])]);
    let transfer = waiting.transfer();
    assert_eq!(transfer.stage, Stage::Sent);
    assert_eq!(transfer.parked.keys().copied().collect::<Vec<_>>(), [2, 3]);
    assert_eq!(transfer.parked[&2].content, lane[1].content);
    // Waiting ones come again, too.
    given(waiting.clone()).at(NOW).when(taking(&lane[1], Vec::new())).then([]);

    assert_eq!(transfer.preview(&lane[0].entry), Ok(Inserted::Ready(vec![1, 2, 3])));
    let all = waiting.and(NOW, taking(&lane[0], vec![first(), second(), third()])).transfer();
    assert_eq!(all.stage, Stage::OutcomeReported(ReferralOutcome::Settled));
    assert!(all.parked.is_empty());

    let in_order = sent()
        .and(NOW, taking(&lane[0], vec![first()]))
        .and(NOW, taking(&lane[1], vec![second()]))
        .and(NOW, taking(&lane[2], vec![third()]))
        .transfer();
    assert_eq!(all.segment.digest(all.shared()), in_order.segment.digest(in_order.shared()));
    assert_eq!(all.stage, in_order.stage);
}

#[test]
fn every_message_that_is_in_order_is_carried_out_as_what_it_says() {
    let lane = lane(&KINDS);
    let waiting = sent().and(NOW, taking(&lane[1], Vec::new()));
    for effects in [Vec::new(), vec![first()], vec![second(), first()], vec![first(), second(), third()]] {
        given(waiting.clone())
            .at(NOW)
            .when(taking(&lane[0], effects))
            .then_err(|refused| *refused == Rejection::EffectsMissing { expected: vec![1, 2] });
    }
    let said = Effect { sequence: 2, act: outcome(ReferralOutcome::Settled) };
    given(waiting)
        .at(NOW)
        .when(taking(&lane[0], vec![first(), said]))
        .then_err(|refused| *refused == Rejection::EffectMismatch { sequence: 2 });
}

#[test]
fn what_arrives_after_a_recall_stands_in_the_lane_and_changes_nothing() {
    let lane = lane(&KINDS);
    let recalled = sent().told(NOW, recall(RecallReason::WrongContent));
    let after_it = recalled
        .clone()
        .and(NOW, taking(&lane[0], vec![first()]))
        .and(NOW, taking(&lane[1], vec![second()]))
        .transfer();
    assert_eq!(after_it.stage, recalled.transfer().stage);
    assert_eq!(after_it.reference, None);
    assert_eq!(after_it.segment.count(Side::Target), 2);
}

#[test]
fn a_message_stands_in_its_authors_lane_of_this_referral() {
    let good = || next_message(&sent().transfer(), Side::Target, MessageKind::Acknowledgement, NOW);
    let taken = |message: MessageMeta| given(sent()).at(NOW).when(taking(&message, vec![first()]));
    let with = |change: &dyn Fn(&mut Entry)| {
        let mut message = good();
        change(&mut message.entry);
        message
    };
    taken(good()).events();
    taken(with(&|entry: &mut Entry| entry.from = partner(GUANGDONG)))
        .then_err(|refused| *refused == Rejection::ForeignMessage { from: partner(GUANGDONG) });
    for (what, message) in [
        ("kind", with(&|entry: &mut Entry| entry.kind = MessageKind::Recall)),
        ("submission", with(&|entry: &mut Entry| entry.kind = MessageKind::Submission)),
        ("delivery", with(&|entry: &mut Entry| entry.sequence = 2)),
        ("referral", MessageMeta { shared: came_in().transfer().shared(), ..good() }),
    ] {
        taken(message).then_err(|refused| {
            assert_eq!(*refused, Rejection::MessageOutOfPlace, "{what}");
            true
        });
    }
    let seen = Seen { sequence: 1, digest: Digest::of(b"never sent") };
    taken(with(&|entry: &mut Entry| entry.seen = Some(seen.clone())))
        .then_err(|refused| matches!(refused, Rejection::Segment(SegmentError::SeenUnknown { .. })));
    let mut unsigned = good();
    unsigned.jws = " ".to_owned();
    taken(unsigned).then_err(|refused| *refused == Rejection::CodeMissing { field: "jws" });
    let mut foreign = begun();
    foreign.message.content.subject = subject();
    opened(foreign).then_err(|refused| *refused == Rejection::OtherSubject);
}

#[test]
fn another_message_in_the_place_of_a_known_one_is_refused() {
    let once = acknowledged();
    let mut other = next_message(&sent().transfer(), Side::Target, MessageKind::Return, NOW);
    other.entry.digest = Digest::of(b"another");
    given(once)
        .at(NOW)
        .when(taking(&other, Vec::new()))
        .then_err(|refused| matches!(refused, Rejection::Segment(SegmentError::Equivocation { .. })));
}

#[test]
fn what_crosses_our_own_acts_is_no_mistake_of_whoever_sent_it() {
    // Written in Macao before our result was read there; it is only late.
    let offered = taken().told(NOW, offer(1, SessionForm::VideoMediation));
    let decided = offered.told(NOW, outcome(ReferralOutcome::Settled)).received(NOW, answer(1, true, false));
    let transfer = decided.transfer();
    assert_eq!(transfer.stage, Stage::OutcomeReported(ReferralOutcome::Settled));
    assert!(transfer.sessions.values().all(|session| session.answer.is_some()));
    assert!(!transfer.allowed().contains(&Action::RecordSession));
}
