//! 送审: what is laid before a second person, as an officer gives it and as both read it.

use async_graphql::types::Json;
use async_graphql::{Context, Object};
use cross_border::council::{Given, PRESENTED_PURPOSE, Presentation};
use cross_border::exchange::{Consumer, Purchase, Trader};
use cross_border::referral::event;
use serde_json::Value;

use super::enums::{AgeBand, DataField};
use super::inputs::{PresentationInput, ReferralContentInput};
use super::messages::open;
use super::plan::amount;
use super::rights::Look;
use crate::graphql::error::{ApiError, Field};
use crate::graphql::scalars::Date;

/// What is laid before a second person, as a client writes it.
///
/// # Errors
/// `INVALID_INPUT` for an amount that is none.
pub(super) fn presentation(input: PresentationInput) -> Result<Presentation, ApiError> {
    let PresentationInput { age, retention_to, fields, onward_to, content } = input;
    Ok(Presentation {
        age: age.into(),
        retention_to: retention_to.0,
        fields: fields.into_iter().map(Into::into).collect(),
        onward_to,
        given: given(content.unwrap_or_default())?,
    })
}

fn given(content: ReferralContentInput) -> Result<Given, ApiError> {
    Ok(Given {
        consumer: Consumer {
            name: content.consumer_name,
            contact: content.consumer_contact,
            language: content.consumer_language.map(Into::into),
        },
        trader: Trader {
            name: content.trader_name,
            address: content.trader_address,
            link: content.trader_link,
            licence: content.trader_licence,
        },
        purchase: Purchase {
            date: content.purchase_date.map(|day| day.0),
            item: content.purchase_item,
            amount: amount(content.purchase_amount)?,
            order: content.purchase_order,
        },
        facts: content.facts.map(Into::into),
        request: content.request.map(Into::into),
        rights_contact: content.rights_contact,
    })
}

/// 送审: what is to leave, word for word, as it was laid before a second person.
#[derive(Debug, Clone)]
pub struct ReferralPresentation(event::Presented);

impl ReferralPresentation {
    /// What stands presented.
    #[must_use]
    pub fn new(presented: &event::Presented) -> Self {
        Self(presented.clone())
    }
}

/// 送审: what is to leave, word for word, as it was laid before a second person.
#[Object]
impl ReferralPresentation {
    /// Work id of the first person.
    async fn by(&self) -> &str {
        &self.0.by
    }

    async fn age(&self) -> AgeBand {
        self.0.age.into()
    }

    /// The last day on which the recipient may keep the data.
    async fn retention_to(&self) -> Date {
        Date(self.0.retention_to)
    }

    async fn fields(&self) -> Vec<DataField> {
        self.0.fields.iter().map(|field| (*field).into()).collect()
    }

    async fn onward_to(&self) -> Option<&str> {
        self.0.onward_to.as_deref()
    }

    /// The digest that `approveReferral` names; it changes with every word and every term of what is presented. Null for
    /// what was presented before contents were kept: present it again.
    async fn content_digest(&self) -> Option<&str> {
        self.0.content.as_ref().map(|content| content.digest.as_str())
    }

    /// Digests of the files that the content lists, in order.
    async fn evidence(&self) -> Vec<&str> {
        let content = self.0.content.as_ref();
        content.map(|content| content.evidence.iter().map(|digest| digest.as_str()).collect()).unwrap_or_default()
    }

    /// What the message will say, for those who may read it: read it before you approve it. Null once the person was
    /// erased, and where there is no `contentDigest`.
    async fn content(&self, ctx: &Context<'_>) -> Field<Json<Value>> {
        self.read(ctx).await.map_err(Into::into).transpose()
    }
}

impl ReferralPresentation {
    async fn read(&self, ctx: &Context<'_>) -> Result<Option<Json<Value>>, ApiError> {
        let Some(content) = &self.0.content else { return Ok(None) };
        // What is presented is our own: no partner calls it back.
        let Some(text) = open(ctx, Look::Content, PRESENTED_PURPOSE, &content.text).await? else { return Ok(None) };
        serde_json::from_str(&text).map(|content| Some(Json(content))).map_err(|error| ApiError::internal(&error))
    }
}
