//! Templates as they are written and as people's paths meet them.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::*;

fn captured(template: &str, path: &str) -> Option<Vec<(String, String)>> {
    let captured = Template::parse(template).unwrap().matches(path)?.unwrap();
    Some(captured.into_iter().map(|one| (one.field, one.value)).collect())
}

#[test]
fn paths_fill_fields() {
    type Fields<'a> = Option<&'a [(&'a str, &'a str)]>;
    let cases: &[(&str, &str, Fields<'_>)] = &[
        ("/v1/things", "/v1/things", Some(&[])),
        ("/v1/things", "/v1/things/", None),
        ("/v1/things", "/v1/%74hings", Some(&[])),
        ("/v1/things", "/v1/Things", None),
        ("/v1/{id}", "/v1/a", Some(&[("id", "a")])),
        ("/v1/{id}", "/v1/", None),
        ("/v1/{id}", "/v1/a/b", None),
        ("/v1/{name=things/*}", "/v1/things/a", Some(&[("name", "things/a")])),
        ("/v1/{name=things/*}", "/v1/things//a", None),
        ("/v1/{name=things/*}", "/v1/things/a%2Fb", Some(&[("name", "things/a/b")])),
        ("/v1/{name=things/*}", "/v1/things/gpt%20(x)", Some(&[("name", "things/gpt (x)")])),
        ("/v1/{name=things/*}", "/v1/things/100%25", Some(&[("name", "things/100%")])),
        ("/v1/{name=things/*}:go", "/v1/things/a:go", Some(&[("name", "things/a")])),
        ("/v1/{name=things/*}:go", "/v1/things/a:b:go", Some(&[("name", "things/a:b")])),
        ("/v1/{name=things/*}:go", "/v1/things/a%3Ago", None),
        ("/v1/{name=things/*}:go", "/v1/things/:go", None),
        ("/v1/{name=things/*}:go", "/v1/things/a", None),
        ("/v1/{name=things/*}", "/v1/things/a:go", Some(&[("name", "things/a:go")])),
        ("/v1/{a.b=x/*/y/*}/{c}", "/v1/x/1/y/2/3", Some(&[("a.b", "x/1/y/2"), ("c", "3")])),
        ("/v1/{path=files/**}", "/v1/files/a/b/c", Some(&[("path", "files/a/b/c")])),
        ("/v1/{path=files/**}", "/v1/files", Some(&[("path", "files")])),
        ("/v1/{path=files/**}", "/v1/files/", None),
        ("/v1/{path=**}:go", "/v1/a/b:go", Some(&[("path", "a/b")])),
        ("/v1/**", "/v1/a/b", Some(&[])),
        ("/v1/*/x", "/v1/a/x", Some(&[])),
    ];
    for (template, path, expected) in cases {
        let expected = expected.map(|fields| {
            fields.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        });
        assert_eq!(captured(template, path), expected, "{template} and {path}");
    }
}

#[test]
fn what_is_no_template_is_told_apart() {
    for (text, error) in [
        ("", TemplateError::Root),
        ("v1", TemplateError::Root),
        ("/v1//a", TemplateError::Empty),
        ("/v1/", TemplateError::Empty),
        ("/v1/a:", TemplateError::Empty),
        ("/v1/{}", TemplateError::Empty),
        ("/v1/{a..b}", TemplateError::Empty),
        ("/v1/{a=}", TemplateError::Empty),
        ("/v1/{a", TemplateError::Brace),
        ("/v1/a}", TemplateError::Brace),
        ("/v1/{a={b}}", TemplateError::Brace),
        ("/v1/x{a}", TemplateError::Brace),
        ("/v1/{a}x", TemplateError::Brace),
        ("/v1/a*", TemplateError::Wildcard),
        ("/v1/**/a", TemplateError::Rest),
        ("/v1/{a=**}/b", TemplateError::Rest),
    ] {
        assert_eq!(Template::parse(text), Err(error), "{text}");
    }
}

#[test]
fn a_path_that_is_no_text_is_refused_only_where_it_matters() {
    let template = Template::parse("/v1/{id}").unwrap();

    assert_eq!(template.matches("/v1/%ff"), Some(Err(NotText)));
    assert_eq!(template.matches("/v2/%ff"), None);
}

fn encoded(value: &str) -> String {
    utf8_percent_encode(value, NON_ALPHANUMERIC).to_string()
}

proptest! {
    #[test]
    fn whatever_a_path_was_built_from_is_read_back(
        ids in prop::collection::vec("\\PC{1,12}", 1..4),
        verb in prop::option::of("[a-z]{1,6}"),
    ) {
        let mut template = String::from("/v1/{name=");
        let mut path = String::from("/v1/");
        let mut name = String::new();
        for (place, id) in ids.iter().enumerate() {
            let slash = if place > 0 { "/" } else { "" };
            template += &format!("{slash}c{place}/*");
            path += &format!("{slash}c{place}/{}", encoded(id));
            name += &format!("{slash}c{place}/{id}");
        }
        let end = verb.map(|verb| format!(":{verb}")).unwrap_or_default();

        let captured = captured(&format!("{template}}}{end}"), &format!("{path}{end}"));

        prop_assert_eq!(captured, Some(vec![("name".to_owned(), name)]));
    }

    #[test]
    fn no_text_makes_it_stumble(template in "[/a{}=*:.é]{0,24}", path in "[/a:%0é.f]{0,24}") {
        if let Ok(template) = Template::parse(&template)
            && let Some(Ok(captured)) = template.matches(&path)
        {
            prop_assert!(captured.len() == template.fields().count());
        }
    }
}
