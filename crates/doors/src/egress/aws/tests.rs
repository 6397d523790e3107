use creel_guard::RecordId;
use creel_secrets::{Broker, MemoryBroker, parse_handover};

use super::*;

/// `headers` are name and value by turns.
fn signature(
    key: &str,
    (region, service, time): (&str, &str, &str),
    ask: &str,
    headers: &[&str],
    body: &str,
) -> String {
    let line = format!("{{\"name\":\"KEY\",\"value\":\"AKIAIOSFODNN7EXAMPLE:{key}\"}}\n");
    let broker = MemoryBroker::new(parse_handover(line.into_bytes().into()).unwrap()).unwrap();
    let (method, target) = ask.split_once(' ').unwrap();
    let headers: Vec<(String, String)> =
        headers.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect();
    let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let payload = digest(body.as_bytes());
    let canonical = canonical(method, &target.parse().unwrap(), service, &headers, &names, &payload).unwrap();
    let inject = Inject { secret: "KEY".to_owned(), skill: None, slot: None };
    let (record, request) = (RecordId(1), digest(canonical.as_bytes()));
    let signing = Signing { inject: &inject, record, time, region, service, headers: &names, request: &request };
    let header = futures_util::FutureExt::now_or_never(broker.sign(signing)).unwrap().unwrap();
    let header = String::from_utf8(header.expose().to_vec()).unwrap();
    let day = time.get(..8).unwrap();
    let start = format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/{day}/{region}/{service}/aws4_request, SignedHeaders={names}, Signature="
    );
    header.strip_prefix(&start).unwrap().to_owned()
}

#[test]
fn the_examples_of_aws_come_out_as_they_say() {
    // "Signature Calculations for the Authorization Header", Amazon S3's API reference.
    let empty = digest(b"");
    let host = ["host", "examplebucket.s3.amazonaws.com"];
    let time = ["x-amz-date", "20130524T000000Z"];
    let said = ["x-amz-content-sha256", &empty];
    let s3 = |ask: &str, headers: &[[&str; 2]], body: &str| {
        let place = ("us-east-1", "s3", "20130524T000000Z");
        signature("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", place, ask, headers.as_flattened(), body)
    };
    let ranged = [host, ["range", "bytes=0-9"], said, time];
    assert_eq!(s3("GET /test.txt", &ranged, ""), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    let text = "Welcome to Amazon S3.";
    let own = digest(text.as_bytes());
    let date = ["date", "Fri, 24 May 2013 00:00:00 GMT"];
    let put = [date, host, ["x-amz-content-sha256", &own], time, ["x-amz-storage-class", "REDUCED_REDUNDANCY"]];
    let wanted = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
    assert_eq!(s3("PUT /test$file.text", &put, text), wanted);
    assert_eq!(s3("PUT /test%24file.text", &put, text), wanted);
    for (ask, wanted) in [
        ("GET /?lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("GET /?prefix=J&max-keys=2", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ] {
        assert_eq!(s3(ask, &[host, said, time], ""), wanted, "{ask}");
    }
    // AWS's test suite for Signature Version 4, `get-vanilla`, and the example of IAM in its general reference.
    let key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let time = ["x-amz-date", "20150830T123600Z"];
    let vanilla = [["host", "example.amazonaws.com"], time];
    let place = ("us-east-1", "service", "20150830T123600Z");
    assert_eq!(
        signature(key, place, "GET /", vanilla.as_flattened(), ""),
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    );
    let form = ["content-type", "application/x-www-form-urlencoded; charset=utf-8"];
    let iam = [form, ["host", "iam.amazonaws.com"], time];
    assert_eq!(
        signature(
            key,
            ("us-east-1", "iam", "20150830T123600Z"),
            "GET /?Action=ListUsers&Version=2010-05-08",
            iam.as_flattened(),
            ""
        ),
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    );
}

#[test]
fn paths_and_queries_have_one_form() {
    let of = |service: &str, target: &str| {
        canonical("GET", &target.parse().unwrap(), service, &[], "", "x").map(|text| {
            let mut lines = text.lines().skip(1).map(str::to_owned);
            (lines.next().unwrap(), lines.next().unwrap())
        })
    };
    let pair = |path: &str, query: &str| Some((path.to_owned(), query.to_owned()));
    assert_eq!(of("s3", "/a%2fb/c%20d/~?b=2&a=%7e&a=&B"), pair("/a%2Fb/c%20d/~", "B=&a=&a=~&b=2"));
    assert_eq!(of("lambda", "/f/arn%3Aaws/x:y"), pair("/f/arn%253Aaws/x%3Ay", ""));
    assert_eq!((of("s3", "/?a=b+c"), of("s3", "/a%2")), (None, None));
}

#[test]
fn headers_are_signed_as_they_are_sent() {
    let mut headers = HeaderMap::new();
    for (name, value) in
        [("x-amz-meta-b", " a   b "), ("host", "h"), ("accept", "x"), ("x-amz-meta-a", "1"), ("x-amz-meta-a", "2")]
    {
        headers.append(name, value.parse().unwrap());
    }
    let found = signed_headers(&headers).unwrap();
    let found: Vec<String> = found.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    assert_eq!(found, ["host:h", "x-amz-meta-a:1,2", "x-amz-meta-b:a b"]);
    headers.append("x-amz-meta-c", HeaderValue::from_bytes(b"\xff").unwrap());
    assert!(signed_headers(&headers).is_none());
    assert!(is_time("20130524T000000Z") && !is_time("20130524 000000Z") && !is_time("2013"));
}

#[tokio::test]
async fn what_is_said_of_a_body_is_kept_found_out_or_refused() {
    let content = || {
        Bodily::Judged(creel_guard::Content::new(creel_guard::Form::Json, serde_json::json!({"a": 1}), String::new()))
    };
    let of = async |said: Option<&str>| {
        let mut headers = HeaderMap::new();
        if let Some(said) = said {
            headers.insert(PAYLOAD, said.parse().unwrap());
        }
        let paid = payload(&mut headers, content(), None).await;
        (paid.map(|(paid, _)| paid).map_err(|error| error.to_string()), headers.get(PAYLOAD).cloned())
    };
    let own = digest(br#"{"a":1}"#);
    assert_eq!(of(None).await, (Ok(own.clone()), None));
    assert_eq!(of(Some(UNSIGNED)).await.0, Ok(UNSIGNED.to_owned()));
    // It was written anew.
    assert_eq!(of(Some(&digest(b"{ \"a\": 1}"))).await, (Ok(own.clone()), Some(own.parse().unwrap())));
    for (said, why) in [
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "in chunks"),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "in chunks"),
        ("e3b0", "neither a digest"),
    ] {
        assert!(of(Some(said)).await.0.unwrap_err().contains(why), "{said}");
    }
}

proptest::proptest! {
    #[test]
    fn what_is_escaped_comes_back(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..40), text in "[ -~]{0,40}") {
        proptest::prop_assert_eq!(unescaped(&escaped(&bytes)).unwrap(), bytes);
        // Any text is read without a panic.
        let _ = unescaped(&text);
    }

    #[test]
    fn one_request_has_one_canonical_form(path in "(/[a-z%0-9~+ ]{0,6}){1,4}", query in "[a-z=&%0-9]{0,20}") {
        let Ok(uri) = format!("{path}?{query}").parse::<Uri>() else { return Ok(()) };
        if let Some(text) = canonical("GET", &uri, "s3", &[], "", "x") {
            let mut lines = text.lines().skip(1);
            let again: Uri = format!("{}?{}", lines.next().unwrap(), lines.next().unwrap()).parse().unwrap();
            proptest::prop_assert_eq!(canonical("GET", &again, "s3", &[], "", "x").unwrap(), text);
        }
    }
}
