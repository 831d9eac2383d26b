//! One dispute from its filing to its end, played through the staff's API of both councils.

use std::time::Duration;

use cross_border::exchange::{Digest, SharedId, Side};
use cross_border::referral::ReferralId;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::deed::Deed;
use super::node::{Node, NodeError, Nodes, Post};
use super::place::council;
use super::plot::Plot;
use super::screen::{Screen, columns, short};
use super::view::View;
use super::{prepare, texts};

/// How often both sides are looked at while nothing can be done.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What came of one dispute.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    /// The id under which both councils know it.
    referral: String,
    origin: &'static str,
    target: &'static str,
    /// As the origin sees it, by its code.
    stage: Option<&'static str>,
    outcome: Option<&'static str>,
    origin_digest: Option<String>,
    target_digest: Option<String>,
    /// Messages of both councils.
    messages: u32,
    /// Both councils are at the same end and hold the same messages.
    pub(super) equal: bool,
}

/// Under which ids the councils hold it.
#[derive(Debug, Clone, Copy)]
struct Ids {
    /// At the origin, and in common.
    origin: Uuid,
    target: Uuid,
}

/// What one side was last seen to hold, and the line that was shown of it.
#[derive(Debug, Default)]
struct Sight {
    view: Option<View>,
    shown: String,
}

/// One dispute under way.
pub(super) struct Play<'n> {
    plot: Plot,
    origin: &'n Node,
    target: &'n Node,
    screen: &'n Screen,
    ids: Option<Ids>,
    of_origin: Sight,
    of_target: Sight,
}

impl<'n> Play<'n> {
    pub(super) fn new(plot: Plot, nodes: &'n Nodes, screen: &'n Screen) -> Self {
        let (origin, target) = (nodes.at(plot.from), nodes.at(plot.to));
        Self { plot, origin, target, screen, ids: None, of_origin: Sight::default(), of_target: Sight::default() }
    }

    /// Plays it to its end on both sides.
    ///
    /// # Errors
    /// A node refuses what the script asks of it.
    pub(super) async fn run(&mut self) -> Result<(), NodeError> {
        let ids = self.send().await?;
        let mut script = self.plot.kind.script().iter().copied().peekable();
        loop {
            self.look().await?;
            match script.peek().copied() {
                Some(deed) if self.is_ready(deed) => {
                    self.act(ids, deed).await?;
                    script.next();
                }
                None if self.is_equal() => {
                    self.screen.ends(&ids.origin.to_string());
                    return Ok(());
                }
                Some(_) | None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Files the dispute, prepares its referral, and lets it leave.
    async fn send(&mut self) -> Result<Ids, NodeError> {
        let plot = self.plot;
        let filed =
            self.origin.act(Post::Officer, "registerFiling", prepare::filing(&plot), "{ cases { id } }").await?;
        let case = self.text_at("registerFiling", &filed, "/cases/0/id")?;
        let input = prepare::referral(&plot, &case);
        let referred = self.origin.act(Post::Officer, "referAcrossBorder", input, "{ referral { id } }").await?;
        let id = self.text_at("referAcrossBorder", &referred, "/referral/id")?;
        let answer = NodeError::Answer { place: plot.from, what: "referAcrossBorder" };
        let Ok(origin) = Uuid::try_parse(&id) else { return Err(answer) };
        let shared = SharedId::from_uuid(origin).to_string();
        let target = ReferralId::inbound(&council(plot.from).id, &shared).as_uuid();
        let ids = Ids { origin, target };
        self.ids = Some(ids);
        self.screen.begins(&plot, &shared);
        self.look().await?;
        if plot.kind.has_file() {
            let file = texts::receipt(&plot);
            let digest = Digest::of(file.as_bytes());
            let announcement = prepare::announcement(&plot, origin, &file);
            self.origin.act(Post::Officer, "announceEvidence", announcement, "{ position }").await?;
            self.origin.put(Post::Officer, origin, &digest, file.into_bytes()).await?;
        }
        // Behind the file, which the message lists; the second person approves what the first was shown.
        let shown = "{ referral { presentation { contentDigest } } }";
        let input = prepare::presentation(&plot, origin);
        let presented = self.origin.act(Post::Officer, "presentReferral", input, shown).await?;
        let digest = self.text_at("presentReferral", &presented, "/referral/presentation/contentDigest")?;
        let input = prepare::approval(&plot, origin, &digest);
        self.origin.act(Post::Head, "approveReferral", input, "{ position }").await?;
        Ok(ids)
    }

    fn text_at(&self, what: &'static str, answer: &Value, pointer: &str) -> Result<String, NodeError> {
        let text = answer.pointer(pointer).and_then(Value::as_str);
        text.map(str::to_owned).ok_or(NodeError::Answer { place: self.plot.from, what })
    }

    /// Looks at both sides, and shows what has changed.
    async fn look(&mut self) -> Result<(), NodeError> {
        let Some(Ids { origin, target }) = self.ids else { return Ok(()) };
        let shared = origin.to_string();
        let (at_origin, at_target) =
            tokio::join!(self.origin.view(Post::Officer, origin), self.target.view(Post::Taker, target));
        for (sight, place, view) in
            [(&mut self.of_origin, self.plot.from, at_origin?), (&mut self.of_target, self.plot.to, at_target?)]
        {
            let Some(view) = view else { continue };
            let seen = columns(&view);
            if sight.shown != seen {
                self.screen.moved(place, &shared, &seen);
                sight.shown = seen;
            }
            sight.view = Some(view);
        }
        Ok(())
    }

    fn view_of(&self, side: Side) -> Option<&View> {
        match side {
            Side::Origin => self.of_origin.view.as_ref(),
            Side::Target => self.of_target.view.as_ref(),
        }
    }

    fn is_ready(&self, deed: Deed) -> bool {
        self.view_of(deed.side()).is_some_and(|view| deed.is_ready(view))
    }

    /// Does what is next in the script.
    async fn act(&self, ids: Ids, deed: Deed) -> Result<(), NodeError> {
        let (node, post, id) = match deed.side() {
            Side::Origin => (self.origin, Post::Officer, ids.origin),
            Side::Target => (self.target, Post::Taker, ids.target),
        };
        // What is ready has been seen.
        let Some(view) = self.view_of(deed.side()) else { return Ok(()) };
        match deed.mutation() {
            Some(mutation) => {
                let input = deed.input(&self.plot, id, view);
                node.act(post, mutation, input, "{ position }").await?;
            }
            None => {
                for file in view.evidence.iter().filter(|file| file.stored) {
                    let what = NodeError::Answer { place: node.place, what: "evidence" };
                    let Ok(digest) = Digest::parse(&file.digest) else { return Err(what) };
                    node.get(post, id, &digest).await?;
                }
            }
        }
        Ok(())
    }

    /// Whether both councils are at the same end and hold the same messages.
    pub(super) fn is_equal(&self) -> bool {
        match (&self.of_origin.view, &self.of_target.view) {
            (Some(origin), Some(target)) => origin.is_over() && origin.is_same(target),
            _ => false,
        }
    }

    /// What came of it, as far as it was seen.
    pub(super) fn line(&self) -> Line {
        let (origin, target) = (self.of_origin.view.as_ref(), self.of_target.view.as_ref());
        let digest = |view: &View| view.digest().to_owned();
        Line {
            referral: self.ids.map(|ids| ids.origin.to_string()).unwrap_or_default(),
            origin: self.plot.from.code(),
            target: self.plot.to.code(),
            stage: origin.map(|view| view.stage.code()),
            outcome: origin.and_then(View::outcome_code),
            origin_digest: origin.map(digest),
            target_digest: target.map(digest),
            messages: origin.map_or(0, View::messages),
            equal: self.is_equal(),
        }
    }

    /// Where it stands on either side, for people.
    pub(super) fn describe(&self) -> String {
        let told = |view: Option<&View>| {
            view.map_or_else(|| "not there".to_owned(), |view| format!("{} {}", view.stage_text(), view.counts_text()))
        };
        let id = self.ids.map_or_else(|| self.plot.key(), |ids| short(&ids.origin.to_string()));
        let (from, to) = (self.plot.from, self.plot.to);
        let (origin, target) = (told(self.view_of(Side::Origin)), told(self.view_of(Side::Target)));
        format!("{id}: {from} says {origin}; {to} says {target}")
    }
}
