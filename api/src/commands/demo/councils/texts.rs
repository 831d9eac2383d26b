//! What the people of the play say. Nobody in it is real.

use cross_border::partner::Place;
use serde_json::{Value, json};

use super::place::{currency, language};
use super::plot::{Plot, pick};

/// The same words in both scripts of Chinese.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    simplified: &'static str,
    traditional: &'static str,
}

const fn words(simplified: &'static str, traditional: &'static str) -> Words {
    Words { simplified, traditional }
}

impl Words {
    /// In the script of a place.
    pub(super) const fn of(self, place: Place) -> &'static str {
        match place {
            Place::Guangdong => self.simplified,
            Place::HongKong | Place::Macao => self.traditional,
        }
    }

    /// With the language they are written in, as the API takes it.
    pub(super) fn text(self, place: Place) -> Value {
        json!({ "lang": language(place), "text": self.of(place) })
    }
}

/// What was bought, of whom, and what is wrong with it.
#[derive(Debug)]
pub(super) struct Bought {
    pub(super) trader: Words,
    pub(super) item: Words,
    pub(super) facts: Words,
}

const IN_GUANGDONG: &[Bought] = &[
    Bought {
        trader: words("示例数码商店", "示例數碼商店"),
        item: words("手机", "手機"),
        facts: words(
            "在广州天河的商店买的手机无法开机，商家拒绝换货。",
            "在廣州天河的商店買的手機無法開機，商家拒絕換貨。",
        ),
    },
    Bought {
        trader: words("示例家具城", "示例傢俬城"),
        item: words("沙发", "沙發"),
        facts: words("在佛山订做的沙发尺寸不对，商家不肯重做。", "在佛山訂做的沙發尺寸不對，商家不肯重做。"),
    },
];

const IN_HONG_KONG: &[Bought] = &[
    Bought {
        trader: words("示例钟表行", "示例鐘錶行"),
        item: words("机械手表", "機械手錶"),
        facts: words(
            "在香港尖沙咀的店里买的手表三天后停走，店家不肯退款。",
            "在香港尖沙咀的店裏買的手錶三天後停走，店家不肯退款。",
        ),
    },
    Bought {
        trader: words("示例电器城", "示例電器城"),
        item: words("照相机", "照相機"),
        facts: words(
            "在香港旺角买的照相机是翻新货，店家只肯换不肯退。",
            "在香港旺角買的照相機是翻新貨，店家只肯換不肯退。",
        ),
    },
];

const IN_MACAO: &[Bought] = &[
    Bought {
        trader: words("示例参茸海味", "示例參茸海味"),
        item: words("海味礼盒", "海味禮盒"),
        facts: words(
            "在澳门新马路买的海味礼盒与标签所写的重量不符。",
            "在澳門新馬路買的海味禮盒與標籤所寫的重量不符。",
        ),
    },
    Bought {
        trader: words("示例珠宝金行", "示例珠寶金行"),
        item: words("金项链", "金項鏈"),
        facts: words("在澳门买的金项链经检验成色不足。", "在澳門買的金項鏈經檢驗成色不足。"),
    },
];

/// What the consumer of a plot bought.
pub(super) fn bought(plot: &Plot) -> &'static Bought {
    let shops = match plot.to {
        Place::Guangdong => IN_GUANGDONG,
        Place::HongKong => IN_HONG_KONG,
        Place::Macao => IN_MACAO,
    };
    pick(shops, plot.draw)
}

pub(super) const REQUEST: Words = words("请求退还全部货款。", "請求退還全部貨款。");
pub(super) const HANDLING: Words = words("已联系商家，等待答复。", "已聯絡商戶，等待答覆。");
pub(super) const REPLIED: Words = words("商家已书面答复。", "商戶已書面答覆。");
pub(super) const RETURNED: Words = words("核实后不能受理，请看退回原因。", "核實後不能受理，請看退回原因。");
pub(super) const MEDIATION: Words = words("建议双方视频调解。", "建議雙方視像調解。");
pub(super) const ARBITRATION: Words = words("建议提交仲裁中心。", "建議提交仲裁中心。");
pub(super) const ACCEPTED: Words = words("消费者同意。", "消費者同意。");
pub(super) const AGREED: Words = words("双方达成和解协议，商家退款。", "雙方達成和解協議，商戶退款。");
pub(super) const AWARDED: Words = words("仲裁裁决：商家退款。", "仲裁裁決：商戶退款。");
pub(super) const FAILED: Words = words("商家不接受，调解不成。", "商戶不接受，調解不成。");

/// The consumer's name and telephone number.
pub(super) fn person(plot: &Plot) -> (String, String) {
    const FAMILIES: &[Words] = &[words("陈", "陳"), words("黄", "黃"), words("欧", "歐"), words("林", "林")];
    let family = pick(FAMILIES, plot.draw >> 8).of(plot.from);
    let line = plot.draw % 1_000_000;
    let phone = match plot.from {
        Place::Guangdong => format!("+86 139 0000 {:04}", line % 10_000),
        Place::HongKong => format!("+852 50{line:06}"),
        Place::Macao => format!("+853 60{line:06}"),
    };
    (format!("{family}示例"), phone)
}

/// An amount in the currency of a place, as the API takes it.
pub(super) fn money(place: Place, minor_units: u64) -> Value {
    json!({ "minorUnits": minor_units.to_string(), "currency": currency(place) })
}

/// The file that a consumer attaches: what the trader gave for the money.
pub(super) fn receipt(plot: &Plot) -> String {
    let Bought { trader, item, .. } = bought(plot);
    let (key, paid) = (plot.key(), plot.paid());
    let (trader, item) = (trader.of(plot.to), item.of(plot.to));
    format!("{trader}\n收據 receipt {key}\n{item} 1\n{} {}.{:02}\n", currency(plot.to), paid / 100, paid % 100)
}

#[cfg(test)]
mod tests {
    use super::super::plot::draw;
    use super::*;

    #[test]
    fn everybody_writes_in_the_script_of_the_place() {
        assert_eq!(REQUEST.text(Place::Guangdong)["lang"], "SIMPLIFIED_CHINESE");
        assert_eq!(REQUEST.of(Place::Guangdong), REQUEST.simplified);
        for place in [Place::HongKong, Place::Macao] {
            assert_eq!(REQUEST.text(place)["text"], REQUEST.traditional);
        }
    }

    #[test]
    fn receipts_differ_and_name_what_was_paid_in_the_currency_of_the_shop() {
        let plots = draw(1, 24, 5);
        let receipts: std::collections::BTreeSet<String> = plots.iter().map(receipt).collect();
        assert_eq!(receipts.len(), plots.len());
        for plot in &plots {
            let named = format!("{} {}.00\n", currency(plot.to), plot.paid() / 100);
            assert!(receipt(plot).ends_with(&named), "{named}");
            assert_eq!(money(plot.to, plot.paid())["minorUnits"], plot.paid().to_string());
        }
    }
}
