//! Whom a complaint is from and against, and what it says. Everybody here is invented, and can be seen to be.
//!
//! Telephone numbers begin with 199-0000; every business has 示例 (example) in its name and a credit code with the
//! letter O, which no real code has.

use chrono::{Datelike as _, NaiveDate};
use domain::complaint::event::Respondent;
use domain::money::{Currency, Money};
use domain::vocabulary::{Category, Remedy};

use super::dice::Dice;
use super::mix::{AMOUNTS, GOODS, ONLINE, REMEDIES};
use super::network::{Area, City};

/// Businesses of one trade in one area; the first of them are complained of most.
const BUSINESSES: usize = 40;

const SURNAMES: [&str; 20] = [
    "陈", "李", "黄", "张", "梁", "林", "刘", "吴", "罗", "杨", "何", "郭", "邓", "周", "叶", "苏", "曾", "郑", "谢",
    "冯",
];
const GIVEN: [&str; 30] = [
    "伟", "芳", "敏", "静", "丽", "强", "磊", "洋", "艳", "勇", "军", "杰", "娟", "涛", "明", "超", "霞", "平", "刚",
    "华", "嘉", "颖", "俊", "婷", "文", "欣", "志", "美", "家", "慧",
];
const BRANDS: [&str; BUSINESSES] = [
    "云裳", "悦享", "鼎盛", "佳禾", "宏远", "优品", "乐禾", "百味", "康禾", "惠民", "天成", "新辉", "万家", "华腾",
    "嘉美", "金穗", "锦程", "乐活", "瑞丰", "盛达", "恒信", "博雅", "众诚", "安居", "晨禾", "启航", "力健", "臻品",
    "美源", "和顺", "南粤", "岭秀", "珠湾", "荔里", "湾区", "东山", "西关", "客都", "潮味", "凤城",
];

/// What is bought, and the trade that sells it.
const BOUGHT: [(&str, &str); 14] = [
    ("电饭煲一台", "电器"),
    ("手机一部", "通讯"),
    ("运动鞋一双", "服饰"),
    ("连衣裙一件", "服饰"),
    ("面膜两盒", "化妆品"),
    ("保健食品三瓶", "食品"),
    ("坚果礼盒一箱", "食品"),
    ("牛奶一箱", "食品"),
    ("布艺沙发一套", "家居"),
    ("空气净化器一台", "电器"),
    ("电动自行车一辆", "车业"),
    ("血压计一台", "医疗器械"),
    ("金项链一条", "首饰"),
    ("笔记本电脑一台", "电脑"),
];
const SERVED: [(&str, &str); 10] = [
    ("健身年卡", "健身"),
    ("英语培训课程", "教育咨询"),
    ("美容套餐", "美容"),
    ("餐饮团购券", "餐饮"),
    ("酒店住宿", "酒店管理"),
    ("宽带套餐", "通讯"),
    ("空调维修服务", "家电维修"),
    ("视频会员", "网络科技"),
    ("家政保洁服务", "家政"),
    ("婚纱摄影套餐", "摄影"),
];
const SHOPS_ONLINE: [&str; 6] = ["某电商平台", "某直播间", "小程序商城", "某团购平台", "某外卖平台", "商家自营网店"];
const SHOPS_OFFLINE: [&str; 4] = ["门店", "专柜", "商场", "展会"];

/// One thing that was bought.
#[derive(Debug)]
pub(super) struct Purchase {
    pub(super) respondent: Respondent,
    pub(super) amount: Option<Money>,
    pub(super) remedies: Vec<Remedy>,
    thing: &'static str,
    shop: &'static str,
    yuan: u32,
}

/// A name.
pub(super) fn name(dice: &mut Dice) -> String {
    let mut name = (*dice.pick(&SURNAMES)).to_owned();
    name.push_str(dice.pick::<&str>(&GIVEN));
    if dice.chance(650) {
        name.push_str(dice.pick::<&str>(&GIVEN));
    }
    name
}

/// A mobile number that belongs to nobody.
pub(super) fn phone(dice: &mut Dice) -> String {
    format!("1990000{:04}", dice.below(10_000))
}

/// An amount of whole yuan.
pub(super) fn yuan(yuan: u32) -> Option<Money> {
    Money::new(i64::from(yuan).saturating_mul(100), Currency::Cny).ok()
}

pub(super) fn purchase(city: &City, area: &Area, dice: &mut Dice) -> Purchase {
    let things: &[(&str, &str)] = if dice.chance(GOODS) { &BOUGHT } else { &SERVED };
    let (thing, trade) = *dice.pick(things);
    let shops: &[&str] = if dice.chance(ONLINE) { &SHOPS_ONLINE } else { &SHOPS_OFFLINE };
    let shop = *dice.pick(shops);
    let (from, to) = dice.weighted(&AMOUNTS);
    let price = dice.between(from, to);
    let mut remedies = vec![dice.weighted(&REMEDIES)];
    if dice.chance(350) {
        let also = dice.weighted(&REMEDIES);
        if !remedies.contains(&also) {
            remedies.push(also);
        }
    }
    let amount = if dice.chance(920) { yuan(price) } else { None };
    Purchase { respondent: business(city, area, trade, dice), amount, remedies, thing, shop, yuan: price }
}

fn business(city: &City, area: &Area, trade: &str, dice: &mut Dice) -> Respondent {
    let place = dice.skewed(BUSINESSES);
    let brand = BRANDS.get(place).copied().unwrap_or_default();
    let (city_name, area_name) = (city.name, area.name);
    // An organisation code of nine: six letters that no authority gives out, and a number.
    let division = city.code.number();
    Respondent {
        name: format!("{city_name}示例{brand}{trade}有限公司"),
        uscc: Some(format!("91{division}MADEMO{place:03}X")),
        address: Some(format!("{city_name}{area_name}示例路{}号", place.saturating_mul(7).saturating_add(1))),
    }
}

/// What the consumer writes: 20 to 80 characters.
pub(super) fn facts(purchase: &Purchase, category: Category, bought_on: NaiveDate, dice: &mut Dice) -> String {
    let Purchase { thing, shop, yuan, .. } = purchase;
    let (month, day) = (bought_on.month(), bought_on.day());
    let trouble = *dice.pick(troubles(category));
    let demands: Vec<&str> = purchase.remedies.iter().map(|remedy| demand(*remedy)).collect();
    format!("{month}月{day}日在{shop}购买{thing}，花费{yuan}元，{trouble}，要求{}。", demands.join("并"))
}

fn demand(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Repair => "免费维修",
        Remedy::Redo => "重新制作",
        Remedy::Replace => "更换",
        Remedy::Return => "退货",
        Remedy::MakeUpQuantity => "补足数量",
        Remedy::Refund => "退款",
        Remedy::Compensation => "赔偿损失",
        Remedy::Other => "依法处理",
    }
}

fn troubles(category: Category) -> &'static [&'static str] {
    match category {
        Category::AfterSales => &["申请售后后商家拒绝退款", "保修期内拒绝维修，客服一直拖延", "退货后迟迟不予退款"],
        Category::Quality => {
            &["使用两天即出现质量问题", "收到后发现质量与描述不符", "经检测存在质量缺陷，商家不予处理"]
        }
        Category::FoodSafety => &["食用后发现已过保质期", "发现包装内有异物", "标签未标示生产日期"],
        Category::Contract => &["商家未按约定履行合同", "办理后门店停业，余额无法使用", "合同约定的服务被单方取消"],
        Category::Advertising => &["实际效果与广告宣传严重不符", "广告称全网最低价，次日降价不予退款"],
        Category::UnfairCompetition => &["店铺以返现诱导好评", "商品销量和评价涉嫌虚假"],
        Category::Price => &["结算价格高于标示价格", "未明码标价，另收服务费"],
        Category::Trademark => &["商标与正品不一致，疑似侵权", "外包装仿冒知名商标"],
        Category::Safety => &["使用过程中漏电", "充电时发热冒烟，存在安全隐患"],
        Category::Counterfeit => &["经品牌方鉴别为假冒商品", "防伪码查询无结果，疑似假货"],
        Category::PersonalDignity => &["店员言语侮辱并阻拦离店", "未经同意公开个人信息"],
        Category::Metering => &["实际重量少于标示重量", "复称后发现缺斤短两"],
        Category::Other => &["多次联系商家无人处理", "商家态度敷衍，问题至今未解决"],
    }
}

#[cfg(test)]
mod tests {
    use super::super::network::Network;
    use super::*;

    #[test]
    fn nobody_here_can_be_real() {
        let network = Network::of_divisions();
        let mut dice = Dice::new(3, 0);
        for _ in 0..500 {
            let seat = network.draw(&mut dice);
            let purchase = purchase(network.city(seat), network.area(seat), &mut dice);
            assert!(purchase.respondent.name.contains("示例"));
            let code = purchase.respondent.uscc.unwrap();
            assert!(code.len() == 18 && code.contains('O'), "{code}");
            assert!(phone(&mut dice).starts_with("1990000"));
            assert!((2..=3).contains(&name(&mut dice).chars().count()));
        }
    }

    #[test]
    fn facts_have_20_to_80_characters_and_most_ask_for_their_money() {
        let network = Network::of_divisions();
        let mut dice = Dice::new(4, 0);
        let mut refunds = 0;
        for round in 0..2_000 {
            let seat = network.draw(&mut dice);
            let purchase = purchase(network.city(seat), network.area(seat), &mut dice);
            let category = *Category::ALL.get(round % Category::ALL.len()).unwrap();
            let text = facts(&purchase, category, "2026-05-06".parse().unwrap(), &mut dice);
            assert!((20..=80).contains(&text.chars().count()), "{text}");
            refunds += usize::from(text.contains("退款"));
        }
        assert!((900..1_600).contains(&refunds), "{refunds}");
    }
}
