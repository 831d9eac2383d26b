//! The closed lists of a delivery's life.

use domain::vocabulary::vocabulary;

vocabulary! {
    /// How far a delivery is.
    DeliveryState {
        Pending = "pending", "待投递";
        Leased = "leased", "投递中";
        Delivered = "delivered", "已送达";
        Dead = "dead", "停止投递";
    }
}

vocabulary! {
    /// Which way the message and its receipt went.
    DeliveredBy {
        /// We brought it.
        Push = "push", "推送";
        /// The partner fetched it.
        Pull = "pull", "拉取";
    }
}

vocabulary! {
    /// Why an attempt brought no receipt.
    FailureCode {
        Connect = "connect", "无法连接";
        Timeout = "timeout", "超时";
        Tls = "tls", "安全连接失败";
        /// The partner's name leads to an address that no partner may have.
        PrivateAddress = "private-address", "地址不允许";
        Redirect = "redirect", "被转向";
        TooLarge = "too-large", "答复过大";
        NotJson = "not-json", "答复无法解析";
        NoReceipt = "no-receipt", "没有回执";
        /// A receipt that is not the partner's, or not for this message.
        BadReceipt = "bad-receipt", "回执无效";
        /// The partner refused it by one of the codes of the contract, which stands in the detail.
        Refused = "refused", "被拒收";
        ServerError = "server-error", "对方故障";
        RateLimited = "rate-limited", "对方限流";
        /// The evidence that belongs to the message could not be brought over.
        Evidence = "evidence", "证据未送达";
        /// Not tried: none of our keys is valid.
        Unsigned = "unsigned", "没有有效密钥";
        /// The answer did not end within its time.
        Endless = "endless", "答复不止";
        /// Not tried: the text was erased before delivery, or it was called back before it was ever sent.
        Erased = "erased", "内容已删除";
        /// Not tried: the partner is not in our directory.
        NoPeer = "no-peer", "未登记对方系统";
        /// Not tried: what the referral rests on has ended since it was approved; the detail says what.
        Lapsed = "lapsed", "依据已失效";
    }
}
