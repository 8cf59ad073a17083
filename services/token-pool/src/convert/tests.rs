use super::*;

#[test]
fn page_tokens_lead_back_to_where_the_page_ended() {
    for tier in Tier::ALL {
        let place = Some(Cursor { tier, order: 17 });
        for filter in [Filter::default(), Filter { tier: Some(tier), standing: Some(Standing::Blocked) }] {
            assert_eq!(cursor(filter, &page_token(filter, place)).unwrap(), place);
        }
    }
    let all = Filter::default();
    assert_eq!(cursor(all, "").unwrap(), None);
    let blocked = Filter { standing: Some(Standing::Blocked), ..all };
    let of_another = page_token(blocked, Some(Cursor { tier: Tier::Shared, order: 1 }));
    assert!(cursor(all, &of_another).unwrap_err().message.contains("another"));
    for wrong in ["x", "!!", "MS4", "OS4x", "MS4tMQ", "ü"] {
        assert_eq!(cursor(all, wrong).unwrap_err().violations[0].field, "page_token", "{wrong}");
    }
}

#[test]
fn durations_are_read_as_the_table_says() {
    let of = |seconds, nanos| ProtoDuration { seconds, nanos };
    for (value, expected) in [
        (None, Ok(None)),
        (Some(of(0, 0)), Ok(None)),
        (Some(of(1, 500_000_000)), Ok(Some(Duration::from_millis(1500)))),
        (Some(of(-1, 0)), Err(())),
        (Some(of(0, -1)), Err(())),
    ] {
        assert_eq!(duration(value.as_ref(), "max_wait").map_err(drop), expected, "{value:?}");
    }
}
