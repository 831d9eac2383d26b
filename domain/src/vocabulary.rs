//! Closed lists of codes: the stored code, and the law's or the practice's own word for it.

/// Defines a closed list. Each entry has its stored code, which is frozen, and its Chinese term.
///
/// The crate that uses it needs `serde` with its derives.
#[macro_export]
macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal, $term:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $code)] $variant,)+
        }

        impl $name {
            /// Every entry, in the order of the source.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stored code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// The Chinese term.
            #[must_use]
            pub const fn term(self) -> &'static str {
                match self { $(Self::$variant => $term),+ }
            }

            /// Finds an entry by its code; the answer to an unknown code is `None`.
            #[must_use]
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.code())
            }
        }
    };
}
pub use vocabulary;

vocabulary! {
    /// How a matter came in (接收渠道). Order 121 Art. 8 and 40; the finer list is that of published statistics.
    Channel {
        Web = "12315-web", "全国12315平台网页";
        App = "12315-app", "全国12315平台App";
        WechatMini = "12315-wechat-mini", "微信小程序";
        WechatAccount = "12315-wechat-account", "微信公众号";
        AlipayMini = "12315-alipay-mini", "支付宝小程序";
        BaiduMini = "12315-baidu-mini", "百度小程序";
        Phone = "phone", "电话";
        Sms = "sms", "短信";
        Letter = "letter", "来信来函";
        Visit = "visit", "来访";
        Hotline12345 = "12345", "政务热线转办";
        Department = "department", "其他部门转办";
        Staff = "staff", "监管人员录入";
        Email = "email", "邮箱";
        ServiceStation = "service-station", "消费维权服务站";
        Odr = "odr", "在线消费纠纷解决";
        Council = "council", "消费者委员会";
    }
}

vocabulary! {
    /// What the dispute is about (投诉问题类别). The published national classes; the full code list is not public.
    Category {
        AfterSales = "after-sales", "售后服务";
        Quality = "quality", "质量";
        FoodSafety = "food-safety", "食品安全";
        Contract = "contract", "合同";
        Advertising = "advertising", "广告";
        UnfairCompetition = "unfair-competition", "不正当竞争";
        Price = "price", "价格";
        Trademark = "trademark", "商标";
        Safety = "safety", "安全";
        Counterfeit = "counterfeit", "假冒";
        PersonalDignity = "personal-dignity", "人身权利";
        Metering = "metering", "计量";
        Other = "other", "其他";
    }
}

vocabulary! {
    /// What the consumer asks for (投诉请求), as the registration form of April 2026 lists it.
    Remedy {
        Repair = "repair", "修理";
        Redo = "redo", "重作";
        Replace = "replace", "更换";
        Return = "return", "退货";
        MakeUpQuantity = "make-up-quantity", "补足商品数量";
        Refund = "refund", "退还货款和服务费用";
        Compensation = "compensation", "赔偿损失";
        Other = "other", "其他";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_read_back() {
        for channel in Channel::ALL {
            assert_eq!(Channel::from_code(channel.code()), Some(*channel));
            assert_eq!(serde_json::to_string(channel).unwrap(), format!("\"{channel}\""));
        }
        for category in Category::ALL {
            assert_eq!(Category::from_code(category.code()), Some(*category));
        }
        assert_eq!(Channel::from_code("fax"), None);
    }
}
