use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// What the agent and the server say by turns, the agent first; who signs in with what.
fn signs_in(imap: bool, lines: &[&str]) -> Option<(String, String)> {
    let mut talk = Talk::new(imap);
    let mut found = None;
    for (index, line) in lines.iter().enumerate() {
        let line = format!("{line}\r\n").into_bytes();
        if index % 2 == 1 {
            assert_eq!(talk.heard(line.clone()), line);
        } else if let Said::SignsIn(sign_in) = talk.said(&line).ok()? {
            sign_in.comes_back(imap);
            assert_eq!(sign_in.line(&sign_in.password).unwrap().len(), line.len());
            found = Some((sign_in.user, sign_in.password));
        }
    }
    assert_eq!(talk.is_signed_in(), lines.len().is_multiple_of(2));
    found
}

#[test]
fn every_way_to_sign_in_is_read_and_written() {
    let b64 = |text: &str| STANDARD.encode(text);
    let plain = b64("\0me@a.test\0pw");
    let token = b64("user=me@a.test\u{1}auth=Bearer pw\u{1}\u{1}");
    let bearer = b64("n,a=me@a.test,\u{1}host=a.test\u{1}port=587\u{1}auth=Bearer pw\u{1}\u{1}");
    let (user, password) = (b64("me@a.test"), b64("pw"));
    for (imap, lines) in [
        (false, vec!["EHLO me".to_owned(), "250 hi".to_owned(), format!("AUTH PLAIN {plain}"), "235 yes".to_owned()]),
        (false, vec!["auth plain".to_owned(), "334 ".to_owned(), plain.clone(), "235 yes".to_owned()]),
        (
            false,
            vec![
                "AUTH LOGIN".to_owned(),
                "334 VXNlcm5hbWU6".to_owned(),
                user.clone(),
                "334 UGFzc3dvcmQ6".to_owned(),
                password.clone(),
                "235 yes".to_owned(),
            ],
        ),
        (false, vec![format!("AUTH LOGIN {user}"), "334 UGFzc3dvcmQ6".to_owned(), password, "235 yes".to_owned()]),
        (false, vec![format!("AUTH XOAUTH2 {token}"), "235 yes".to_owned()]),
        (false, vec![format!("AUTH OAUTHBEARER {bearer}"), "235 yes".to_owned()]),
        (true, vec!["a LOGIN me@a.test pw".to_owned(), "a OK yes".to_owned()]),
        (true, vec!["a LOGIN \"me@a.test\" \"pw\"".to_owned(), "a OK yes".to_owned()]),
        (true, vec![format!("a1 AUTHENTICATE PLAIN {plain}"), "a1 OK yes".to_owned()]),
        (true, vec!["a1 AUTHENTICATE XOAUTH2".to_owned(), "+ ".to_owned(), token, "a1 OK yes".to_owned()]),
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        if imap && lines[0].contains("LOGIN me") {
            // It is written with quotes.
            let Ok(Said::SignsIn(sign_in)) = Talk::new(true).said(b"a LOGIN me@a.test pw\r\n") else { panic!() };
            assert_eq!(sign_in.line("p\"w").unwrap(), b"a LOGIN \"me@a.test\" \"p\\\"w\"\r\n");
            assert_eq!((sign_in.line("p\u{e4}"), sign_in.line("a\r\nb")), (None, None));
            continue;
        }
        let found = signs_in(imap, &lines);
        assert_eq!(found, Some(("me@a.test".to_owned(), "pw".to_owned())), "{lines:?}");
    }
}

#[test]
fn what_can_not_be_read_or_comes_too_early_does_not_pass() {
    let plain = STANDARD.encode("\0me\0pw");
    let acts_as = STANDARD.encode("boss\0me\0pw");
    let twice = STANDARD.encode("n,a=me,\u{1}auth=Bearer a\u{1}auth=Bearer b\u{1}\u{1}");
    for lines in [
        vec!["MAIL FROM:<a@b>"],
        vec!["BDAT 1000"],
        vec!["AUTH CRAM-MD5"],
        vec!["AUTH PLAIN ="],
        vec!["AUTH PLAIN b\u{e4}"],
        vec![&format!("AUTH PLAIN {acts_as}")],
        vec![&format!("AUTH OAUTHBEARER {twice}")],
        vec!["AUTH PLAIN", "334 ", "RSET"],
        // The server never asked for it.
        vec!["AUTH PLAIN", "504 no", &plain],
        vec!["EHLO me", "250-more", "NOOP"],
        vec![&format!("AUTH PLAIN {plain}"), "334 e30=", &plain],
    ] {
        assert_eq!(signs_in(false, &lines), None, "{lines:?}");
    }
    for lines in [
        vec!["a SELECT inbox"],
        vec!["a LOGIN {2}"],
        vec!["a LOGIN me {2+}"],
        vec!["a LOGIN me"],
        vec!["a LOGIN me pw more"],
        vec!["a LOGIN \"me\\x\" pw"],
        vec!["* LOGIN me pw"],
        vec!["a AUTHENTICATE SCRAM-SHA-256"],
        vec!["a NOOP", "* still", "b LOGIN me pw"],
        vec!["a NOOP", "b OK another", "b LOGIN me pw"],
    ] {
        assert_eq!(signs_in(true, &lines), None, "{lines:?}");
    }
}

#[test]
fn a_failure_or_a_change_of_mind_leaves_it_where_it_was() {
    let plain = STANDARD.encode("\0me\0pw");
    let again = format!("AUTH PLAIN {plain}");
    for lines in [
        vec!["AUTH PLAIN", "334 ", "*", "501 no", &again],
        vec![&again, "535 no", &again],
        vec![&again, "334 e30=", "", "535 no", &again],
        vec!["AUTH CRAM-MD5x", "504 no"],
    ] {
        let mut talk = Talk::new(false);
        for (index, line) in lines.iter().enumerate() {
            let line = format!("{line}\r\n").into_bytes();
            if index % 2 == 1 {
                talk.heard(line);
            } else {
                assert_eq!(talk.said(&line).is_ok(), !line.starts_with(b"AUTH CRAM"), "{lines:?}");
            }
            assert!(!talk.is_signed_in());
        }
    }
}

#[test]
fn what_a_server_offers_and_nobody_can_read_is_left_out() {
    for (line, hears) in [
        ("250-AUTH LOGIN CRAM-MD5 PLAIN", "250-AUTH LOGIN PLAIN"),
        ("250 AUTH SCRAM-SHA-256", "250 AUTH "),
        ("250-SIZE 100", "250-SIZE 100"),
        ("* CAPABILITY IMAP4rev1 AUTH=CRAM-MD5 SASL-IR auth=plain", "* CAPABILITY IMAP4rev1 SASL-IR auth=plain"),
        ("a OK [CAPABILITY AUTH=XOAUTH2 AUTH=NTLM] hi", "a OK [CAPABILITY AUTH=XOAUTH2] hi"),
    ] {
        let heard = Talk::new(line.contains("CAPABILITY")).heard(format!("{line}\r\n").into_bytes());
        assert_eq!(String::from_utf8(heard).unwrap(), format!("{hears}\r\n"));
    }
}

proptest::proptest! {
    #[test]
    fn any_line_is_read_without_a_panic_and_what_signs_in_comes_back(
        line in "(AUTH PLAIN |AUTH LOGIN |a LOGIN |a AUTHENTICATE PLAIN |)[ -~\"\\\\]{0,40}",
        user in "[!-~&&[^,=\"\\\\]]{1,20}",
        password in "[ -~]{1,20}",
    ) {
        for imap in [false, true] {
            let mut talk = Talk::new(imap);
            if let Ok(Said::SignsIn(sign_in)) = talk.said(format!("{line}\r\n").as_bytes()) {
                sign_in.comes_back(imap);
            }
            talk.heard(line.clone().into_bytes());
        }
        for message in [
            format!("PLAIN {}", STANDARD.encode(format!("\0{user}\0{password}"))),
            format!("XOAUTH2 {}", STANDARD.encode(format!("user={user}\u{1}auth=Bearer {password}\u{1}\u{1}"))),
            format!("OAUTHBEARER {}", STANDARD.encode(format!("n,a={user},\u{1}auth=Bearer {password}\u{1}\u{1}"))),
        ] {
            let Ok(Said::SignsIn(sign_in)) = Talk::new(false).said(format!("AUTH {message}\r\n").as_bytes()) else {
                panic!("{message}")
            };
            proptest::prop_assert_eq!((&sign_in.user, &sign_in.password), (&user, &password));
            sign_in.comes_back(false);
        }
    }
}
