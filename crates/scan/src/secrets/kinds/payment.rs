//! Keys of payment services, exchanges and shops.
//!
//! Owns their rows. Test-mode keys move no money and are not looked for.

use super::cloud::mixed;
use super::kind::Row;

pub(super) static KINDS: &[Row] = &[
    Row::token("stripe-secret-key", &["sk_live_"], r"sk_live_[A-Za-z0-9]{24,247}"),
    Row::token("stripe-restricted-key", &["rk_live_"], r"rk_live_[A-Za-z0-9]{24,247}"),
    Row::token("stripe-webhook-secret", &["whsec_"], r"whsec_[A-Za-z0-9+/]{32,64}={0,2}"),
    Row::token("stripe-organisation-key", &["sk_org_"], r"sk_org_(?:live_)?[A-Za-z0-9]{40,247}"),
    Row::token("square-access-token", &["EAAA"], r"EAAA[A-Za-z0-9_-]{60}"),
    Row::token("square-token", &["sq0atp-"], r"sq0atp-[A-Za-z0-9_-]{22}"),
    Row::token("square-secret", &["sq0csp-"], r"sq0csp-[A-Za-z0-9_-]{43}"),
    Row::token(
        "braintree-token",
        &["access_token$production$"],
        r"access_token\$production\$[a-z0-9]{16}\$[a-f0-9]{32}",
    ),
    Row::labelled("braintree-key", &["braintree"], r"[a-f0-9]{32}"),
    Row::labelled("paypal-secret", &["paypal"], r"E[A-Za-z0-9_-]{79}"),
    Row::token("adyen-key", &["AQE"], r"AQE[a-z][A-Za-z0-9]{2}[A-Za-z0-9+/=_-]{60,300}"),
    Row::token(
        "plaid-token",
        &["access-production-", "access-development-"],
        r"access-(?:production|development)-[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}",
    ),
    Row::labelled("plaid-secret", &["plaid"], r"[a-f0-9]{30}"),
    Row::token("razorpay-key", &["rzp_live_"], r"rzp_live_[A-Za-z0-9]{14}"),
    Row::labelled("razorpay-secret", &["razorpay"], r"[A-Za-z0-9]{24}").check(mixed),
    Row::labelled("mollie-key", &["mollie"], r"live_[A-Za-z0-9]{30}"),
    Row::labelled("gocardless-token", &["gocardless", "go_cardless"], r"live_[A-Za-z0-9_-]{40}"),
    Row::labelled("lob-key", &["lob_", "lob api"], r"live_[a-f0-9]{35}"),
    Row::token("flutterwave-key", &["FLWSECK-"], r"FLWSECK-[a-f0-9]{32}-X"),
    Row::token("shippo-token", &["shippo_live_"], r"shippo_live_[a-f0-9]{40}"),
    Row::token("easypost-key", &["EZAK"], r"EZAK[A-Za-z0-9]{54}"),
    Row::token("duffel-token", &["duffel_live_"], r"duffel_live_[A-Za-z0-9_=-]{43}"),
    Row::token("frameio-token", &["fio-u-"], r"fio-u-[A-Za-z0-9_=-]{64}"),
    Row::token("shopify-token", &["shpat_"], r"shpat_[a-fA-F0-9]{32}"),
    Row::token("shopify-custom-token", &["shpca_"], r"shpca_[a-fA-F0-9]{32}"),
    Row::token("shopify-private-token", &["shppa_"], r"shppa_[a-fA-F0-9]{32}"),
    Row::token("shopify-secret", &["shpss_"], r"shpss_[a-fA-F0-9]{32}"),
    Row::token("lemonsqueezy-secret", &["lmsq_"], r"lmsq_[A-Za-z0-9]{32,64}"),
    Row::token("paddle-key", &["pdl_live_"], r"pdl_live_apikey_[a-z0-9]{26}_[A-Za-z0-9]{22}_[A-Za-z0-9]{3}"),
    Row::token("polar-token", &["polar_oat_", "polar_pat_"], r"polar_[op]at_[A-Za-z0-9_-]{32,60}"),
    Row::labelled("coinbase-secret", &["coinbase"], r"[A-Za-z0-9_-]{64}|[A-Za-z0-9+/]{86}==|[A-Za-z0-9]{32}")
        .check(mixed),
    Row::labelled("kraken-secret", &["kraken"], r"[A-Za-z0-9/+]{86}=="),
    Row::labelled("binance-secret", &["binance"], r"[A-Za-z0-9]{64}").check(mixed),
    Row::labelled("bitfinex-secret", &["bitfinex"], r"[A-Za-z0-9]{43}").check(mixed),
    Row::labelled("bittrex-secret", &["bittrex"], r"[a-z0-9]{32}"),
    Row::labelled("kucoin-secret", &["kucoin"], r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}"),
    Row::labelled("bybit-secret", &["bybit"], r"[A-Za-z0-9]{36}").check(mixed),
    Row::labelled("okx-secret", &["okx_", "okex"], r"[A-F0-9]{32}"),
    Row::labelled(
        "wise-token",
        &["transferwise", "wise_api"],
        r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}",
    ),
    Row::labelled("alpaca-secret", &["alpaca", "apca"], r"[A-Za-z0-9]{40}").check(mixed),
    Row::labelled("finnhub-key", &["finnhub"], r"[a-z0-9]{20,40}").check(mixed),
    Row::labelled("etsy-key", &["etsy"], r"[a-z0-9]{24}").check(mixed),
];
