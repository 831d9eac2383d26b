use domain::decider::Happened;

use super::*;
use crate::exchange::Step;
use crate::partner::{Language, Place};
use crate::referral::event::{ConsentCaptured, Drafted};
use crate::referral::present::Present;
use crate::referral::testing::{
    ACTOR, APPROVER, Decided, HONG_KONG, History, MACAO, assess, assessed, assessment, came_in, capture,
    clocks_of_sending, consent_to, consented, content, day, decide_as, draft, drafted_to, expected, file, given,
    message, nothing, presentation, presented, region, sent, subject, submission, submitted, time,
};
use crate::referral::vocabulary::Direction;
use crate::referral::{Act, Action, Gate, ReferralCommand, Stage};

const NOW: &str = "2026-05-20T09:00:00+08:00";

fn prepared() -> Submit {
    submission(&presented().transfer(), message(), NOW)
}

fn submit(submit: Submit) -> Act {
    Act::Submit(Box::new(submit))
}

fn decided(history: History, act: Submit) -> Decided {
    given(history).at(NOW).when(submit(act))
}

fn record() -> TransferRecorded {
    let assessed = assessment(LegalRoute::GbaHongKong);
    let act = prepared();
    TransferRecorded {
        transfer: act.issued.entry.delivery,
        referral: drafted_to(HONG_KONG).referral,
        complaint: drafted_to(HONG_KONG).complaint,
        direction: Direction::Outbound,
        controller: Controller {
            council: act.issued.entry.from.clone(),
            name: "廣東省消費者委員會".to_owned(),
            uscc: None,
            seat: drafted_to(HONG_KONG).seat,
        },
        recipient: Recipient {
            council: drafted_to(HONG_KONG).partner,
            name: "香港消費者委員會".to_owned(),
            contact: "www.consumer.org.hk".to_owned(),
            place: Place::HongKong,
        },
        route: assessed.route,
        instrument: assessed.instrument,
        impact: assessed.impact,
        consent: consent_to(HONG_KONG),
        consented_at: time("2026-05-18T10:00:00+08:00"),
        purpose: Purpose::Conciliation,
        subject: subject(),
        subjects: 1,
        age: AgeBand::Adult,
        sensitive: false,
        fields: message().fields,
        evidence: Vec::new(),
        minimisation: message().minimisation,
        removed: message().removed,
        payload: act.sealed.payload,
        key: message().key,
        signature: message().signature,
        presented_by: ACTOR.to_owned(),
        approver: APPROVER.to_owned(),
        retention_to: day("2027-05-20"),
        onward_transfer: false,
        rights_contact: "12315".to_owned(),
    }
}

#[test]
fn one_decision_seals_sends_records_and_issues() {
    let act = prepared();
    let [delivery, acknowledgement, outcome] = clocks_of_sending();
    let transfer = decided(presented(), act.clone())
        .then([
            ReferralEvent::Sealed(Box::new(act.sealed.clone())),
            ReferralEvent::Sent(Sent {
                approver: APPROVER.to_owned(),
                retention_to: day("2027-05-20"),
                acknowledgement: expected("2026-05-28", "HK-2026/1"),
            }),
            delivery,
            acknowledgement,
            outcome,
            ReferralEvent::TransferRecorded(Box::new(record())),
            ReferralEvent::MessageIssued(Box::new(act.issued.clone())),
        ])
        .transfer();
    assert_eq!(transfer.stage, Stage::Sent);
    let lane = transfer.segment.entries(Side::Origin);
    assert_eq!(lane, [act.issued.entry]);
    assert_eq!(transfer.segment.count(Side::Target), 0);
}

#[test]
fn a_referral_of_another_council_leaves_by_its_own_calendar() {
    let seat = region("820000");
    let basis = Assessed { instrument: None, impact: None, ..assessment(LegalRoute::MacaoConsent) };
    let prepared = nothing()
        .and("2026-05-18T09:00:00+08:00", draft(Drafted { seat, ..drafted_to(HONG_KONG) }))
        .and("2026-05-18T10:00:00+08:00", capture(consent_to(HONG_KONG)))
        .and("2026-05-19T09:00:00+08:00", assess(basis))
        .and("2026-05-19T10:00:00+08:00", Act::Present(presentation()));
    // Friday 2026-05-22; Monday 05-25 is free in both places.
    let transfer = submitted(prepared, "2026-05-22T09:00:00+08:00").transfer();
    let delivery = &transfer.clocks[&Step::Delivery];
    assert_eq!((delivery.council, delivery.by), (Place::Macao, day("2026-05-26")));
    assert_eq!(transfer.segment.head(Side::Origin).map(|entry| entry.from.as_str()), Some(MACAO));
}

/// What somebody hears who wants to let it leave.
fn judged_by(actor: &str, history: &History) -> Result<(), Rejection> {
    let transfer = history.transfer();
    let fields = transfer.presented.as_ref().map_or_else(Vec::new, |presented| presented.fields.clone());
    let act = submit(submission(&transfer, Sealed { fields, ..message() }, NOW));
    decide_as(actor, &history.state(), time(NOW), ReferralCommand { at: None, act }).map(drop)
}

#[test]
fn whoever_presented_it_does_not_let_it_leave_however_the_name_is_spelt() {
    for spelt in [ACTOR, "OFFICER-1", " officer-1 ", "ｏｆｆｉｃｅｒ－１"] {
        assert_eq!(judged_by(spelt, &presented()), Err(Rejection::SameApprover), "{spelt}");
    }
    assert_eq!(judged_by(APPROVER, &presented()), Ok(()));
}

#[test]
fn whoever_presented_it_before_or_added_a_file_to_it_does_not_let_it_leave() {
    // The second person presents it once as well, and the first presents the same again.
    let act = Act::Present(presentation());
    let command = ReferralCommand { at: None, act };
    let happened = decide_as(APPROVER, &presented().state(), time(NOW), command).unwrap();
    let both = presented().with(happened).and(NOW, Act::Present(presentation()));
    assert_eq!(both.transfer().presented.map(|presented| presented.by).as_deref(), Some(ACTOR));
    assert_eq!(judged_by(APPROVER, &both), Err(Rejection::SameApprover));
    assert_eq!(judged_by("officer-3", &both), Ok(()));

    for (listed, expected) in [(true, Err(Rejection::SameApprover)), (false, Ok(()))] {
        let command = ReferralCommand { at: None, act: Act::AddEvidence(file("a")) };
        let happened = decide_as(APPROVER, &assessed().state(), time(NOW), command).unwrap();
        let evidence = if listed { vec![file("a").digest] } else { Vec::new() };
        let fields = vec![DataField::ConsumerName, DataField::Evidence];
        let content = PresentedContent { evidence, ..content() };
        let laid = assessed().with(happened).and(NOW, Act::Present(Present { fields, content, ..presentation() }));
        assert_eq!(judged_by(APPROVER, &laid), expected, "listed: {listed}");
    }
}

#[test]
fn only_the_content_that_was_approved_leaves() {
    let other = Digest::of(b"another content");
    let presented_now = Rejection::OtherContent { presented: content().digest };
    let unread = Submit { approved: other.clone(), ..prepared() };
    decided(presented(), unread).then_err(|refused| *refused == presented_now);

    // Somebody presents anew between the reading and the approving.
    let read = prepared();
    let content = PresentedContent { digest: other.clone(), ..content() };
    let anew = presented().and("2026-05-19T11:00:00+08:00", Act::Present(Present { content, ..presentation() }));
    decided(anew.clone(), read).then_err(|refused| *refused == Rejection::OtherContent { presented: other.clone() });
    let act = submission(&anew.transfer(), message(), NOW);
    assert_eq!(act.approved, other);
    assert!(!decided(anew, act).events().is_empty());
}

#[test]
fn what_was_presented_before_contents_were_kept_is_presented_again() {
    let mut happened = presented();
    happened.forget_content();
    let act = submission(&happened.transfer(), message(), NOW);
    decided(happened.clone(), act).then_err(|refused| *refused == Rejection::Gates(vec![Gate::ContentNotPresented]));
    assert_eq!(gate::ahead(&happened.transfer(), day("2026-05-20")), [Gate::ContentNotPresented]);
    submitted(happened.and("2026-05-19T11:00:00+08:00", Act::Present(presentation())), NOW);
}

#[test]
fn what_was_sent_before_contents_were_kept_stays_sent() {
    // A file was attached behind the presentation, and listed when it was sent.
    let mut happened = presented();
    happened.forget_content();
    let history = happened.and("2026-05-19T11:00:00+08:00", Act::AddEvidence(file("a")));
    assert!(history.transfer().presented.is_some(), "nothing was void then");
    let sent = ReferralEvent::Sent(Sent {
        approver: APPROVER.to_owned(),
        retention_to: day("2027-05-20"),
        acknowledgement: expected("2026-05-28", "HK-2026/1"),
    });
    let recorded = TransferRecorded { evidence: vec![file("a").digest], ..record() };
    let recorded = ReferralEvent::TransferRecorded(Box::new(recorded));
    let at = time(NOW);
    let happened = [sent, recorded].map(|event| Happened { at, event });
    let transfer = history.with(happened).transfer();
    assert_eq!((transfer.stage, transfer.evidence.len()), (Stage::Sent, 1));
    assert_eq!(transfer.subject(), Some(subject()));
}

#[test]
fn only_what_was_presented_leaves_and_only_once() {
    for history in [consented(), sent(), came_in()] {
        decided(history, prepared())
            .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Submit, .. }));
    }
    let act = submission(&assessed().transfer(), message(), NOW);
    decided(assessed(), act).then_err(|refused| matches!(refused, Rejection::Gates(_)));
}

#[test]
fn the_time_to_keep_it_has_not_passed_since_it_was_presented() {
    let short = Act::Present(Present { retention_to: day("2026-05-19"), ..presentation() });
    let history = assessed().and("2026-05-19T10:00:00+08:00", short);
    let act = submission(&history.transfer(), message(), NOW);
    decided(history, act).then_err(|refused| matches!(refused, Rejection::Retention { .. }));
}

#[test]
fn the_message_says_of_its_basis_what_was_decided() {
    let changed = |change: &dyn Fn(&mut TransferBasis)| {
        let mut act = prepared();
        change(&mut act.record);
        act
    };
    for (field, act) in [
        ("consent", changed(&|record: &mut TransferBasis| record.consent = "C-2".to_owned())),
        (
            "consentTextVersion",
            changed(&|record: &mut TransferBasis| record.consent_text_version = "2025-1".to_owned()),
        ),
        ("purpose", changed(&|record: &mut TransferBasis| record.purpose = Purpose::Information)),
        ("route", changed(&|record: &mut TransferBasis| record.route = LegalRoute::Exempt)),
        ("contract", changed(&|record: &mut TransferBasis| record.contract = None)),
        ("retentionTo", changed(&|record: &mut TransferBasis| record.retention_to = day("2027-05-21"))),
        ("onwardTransfer", changed(&|record: &mut TransferBasis| record.onward_transfer = true)),
    ] {
        decided(presented(), act).then_err(|refused| *refused == Rejection::Misstated { field });
    }
    for (field, act) in [
        ("rightsContact", changed(&|record: &mut TransferBasis| record.rights_contact = String::new())),
        ("controllerUscc", changed(&|record: &mut TransferBasis| record.controller_uscc = Some(String::new()))),
    ] {
        decided(presented(), act).then_err(|refused| *refused == Rejection::CodeMissing { field });
    }
    let mut other = prepared();
    other.sealed.payload = "c".repeat(64);
    decided(presented(), other).then_err(|refused| *refused == Rejection::Misstated { field: "payload" });
}

#[test]
fn the_message_is_the_first_of_its_lane() {
    let mut late = prepared();
    late.issued.entry.sequence = 2;
    decided(presented(), late).then_err(|refused| *refused == Rejection::MessageOutOfPlace);
    let mut otherwise = prepared();
    otherwise.issued.entry.kind = MessageKind::Evidence;
    decided(presented(), otherwise).then_err(|refused| *refused == Rejection::MessageOutOfPlace);
    let mut unsigned = prepared();
    unsigned.sealed.renditions = vec![Language::English];
    unsigned.issued.jws = String::new();
    decided(presented(), unsigned).then_err(|refused| *refused == Rejection::CodeMissing { field: "jws" });
}

#[test]
fn the_listed_files_are_those_of_the_content_and_the_others_stay_here() {
    let fields = vec![DataField::ConsumerName, DataField::Evidence];
    let content = PresentedContent { evidence: vec![file("a").digest], ..content() };
    let presentation = Present { fields: fields.clone(), content, ..presentation() };
    let history = assessed()
        .and("2026-05-19T09:30:00+08:00", Act::AddEvidence(file("a")))
        .and("2026-05-19T09:31:00+08:00", Act::AddEvidence(file("kept")))
        .and("2026-05-19T10:00:00+08:00", Act::Present(presentation));
    let act = submission(&history.transfer(), Sealed { fields, ..message() }, NOW);
    assert_eq!(act.evidence, [file("a").digest]);
    let misstated = Rejection::Misstated { field: "evidence" };
    let both = vec![file("a").digest, file("kept").digest];
    for evidence in [Vec::new(), both, vec![file("kept").digest]] {
        decided(history.clone(), Submit { evidence, ..act.clone() }).then_err(|refused| *refused == misstated);
    }
    let mut unnamed = act.clone();
    unnamed.sealed.fields = vec![DataField::ConsumerName];
    decided(history.clone(), unnamed).then_err(|refused| *refused == misstated);

    let events = decided(history.clone(), act.clone()).events();
    assert!(!events.iter().any(|event| matches!(event, ReferralEvent::EvidenceAdded(_))), "they are here already");
    let known = decided(history, act).then(events).transfer().evidence;
    assert_eq!(known.into_keys().collect::<Vec<_>>(), [file("a").digest]);
}

#[test]
fn the_data_of_a_child_are_recorded_as_sensitive() {
    let guarded = ConsentCaptured { by_guardian: true, ..consent_to(HONG_KONG) };
    for (age, sensitive) in [(AgeBand::Adult, false), (AgeBand::Minor, false), (AgeBand::Child, true)] {
        let history = assessed()
            .and("2026-05-19T09:30:00+08:00", capture(guarded.clone()))
            .and("2026-05-19T10:00:00+08:00", Act::Present(Present { age, ..presentation() }));
        let act = submission(&history.transfer(), message(), NOW);
        let events = decided(history, act).events();
        let recorded = events.iter().find_map(|event| match event {
            ReferralEvent::TransferRecorded(recorded) => Some((recorded.age, recorded.sensitive)),
            _ => None,
        });
        assert_eq!(recorded, Some((age, sensitive)));
    }
}
