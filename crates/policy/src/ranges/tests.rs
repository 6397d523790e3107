use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn every_form_of_a_closed_address_is_closed() {
    for text in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.192",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:a9fe:a9fe",
        "::a9fe:a9fe",
        "::ffff:0:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "64:ff9b:1:a9fe:a9:fe00::",
        "2002:a9fe:a9fe::",
        "2002:808:808::1",
        "2001:0:4136:e378:8000:63bf:5601:5601",
        "fe80::1",
        "febf::1",
        "fc00::1",
        "fd00:ec2::254",
        "fd00:c4ee:1::1",
        "ff02::1",
        "2001:db8::1",
        "2606:4700::5efe:10.0.0.1",
        "2606:4700::200:5efe:7f00:1",
        "100::1",
        "5f00::1",
        "4000::1",
    ] {
        assert!(closed(ip(text)).is_some(), "{text} is open");
    }
}

#[test]
fn public_addresses_are_open() {
    for text in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "168.63.129.15",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2a00:1450::1",
        "64:ff9b::808:808",
        "::ffff:8.8.8.8",
    ] {
        assert_eq!(closed(ip(text)), None, "{text}");
    }
}

#[test]
fn metadata_can_never_be_opened_but_loopback_can() {
    for text in [
        "169.254.169.254",
        "169.254.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fe80::1",
        "fd20:ce::254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "::a9fe:a9fe",
        "0.0.0.0",
        "::",
        "255.255.255.255",
        "ff02::1",
        "::ffff:100.100.100.200",
    ] {
        assert!(never(ip(text)).is_some(), "{text} can be opened");
        assert!(closed(ip(text)).is_some(), "{text} is open");
    }
    for text in ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "fd00::1", "8.8.8.8"] {
        assert_eq!(never(ip(text)), None, "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn an_embedding_never_opens_what_is_closed(bits: u32) {
        let v4 = Ipv4Addr::from_bits(bits);
        if closed(IpAddr::V4(v4)).is_some() {
            let wide = u128::from(bits);
            for form in [
                wide,
                0xffff_0000_0000 | wide,
                (0xffff_0000_u128 << 32) | wide,
                (0x0064_ff9b_u128 << 96) | wide,
                (0x2002_u128 << 112) | (wide << 80),
            ] {
                proptest::prop_assert!(closed(IpAddr::V6(Ipv6Addr::from_bits(form))).is_some());
            }
        }
    }
}
