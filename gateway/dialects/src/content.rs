//! The content of a message as OpenAI's dialects write it: a string, null, or parts of many types, to the parts of the
//! contract. Text is kept to the byte, and each part stays one.

use warp2api_proto::warp_chat::v1::Part;

use crate::ignored::Ignored;
use crate::images::{self, Images, RemoteImage};
use crate::json::{Object, Text, TextOrList, TextOrObject, entries};
use crate::parts;
use crate::rejection::Rejection;

/// What a role may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vocabulary {
    /// Text.
    Text,
    /// Text and images.
    TextAndImages,
    /// Text and thinking.
    TextAndReasoning,
}

/// A string, or parts.
pub(crate) type Content<'a> = TextOrList<'a, Object<ContentPart<'a>>>;

/// One part of a message's content, of any type.
#[derive(Debug, Default)]
pub(crate) struct ContentPart<'a> {
    kind: Option<Text<'a>>,
    text: Option<Text<'a>>,
    refusal: Option<Text<'a>>,
    thinking: Option<Text<'a>>,
    image_url: Option<TextOrObject<'a, ImageUrl<'a>>>,
    detail: Option<Text<'a>>,
    file_id: Option<Text<'a>>,
}

entries!(ContentPart<'de> {
    "type" => kind,
    "text" => text,
    "refusal" => refusal,
    "thinking" => thinking,
    "image_url" => image_url,
    "detail" => detail,
    "file_id" => file_id,
});

/// Where an image is, and how closely to look at it.
#[derive(Debug, Default)]
struct ImageUrl<'a> {
    url: Option<Text<'a>>,
    detail: Option<Text<'a>>,
}

entries!(ImageUrl<'de> {
    "url" => url,
    "detail" => detail,
});

/// What the contents of a conversation share while they are mapped.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    images: Images<'a>,
    /// What the dialect calls the closeness an image is looked at with.
    detail: &'static str,
    pub(crate) ignored: Ignored,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(images: Images<'a>, detail: &'static str, ignored: Ignored) -> Self {
        Self { images, detail, ignored }
    }

    /// The parts of the content at `path`.
    pub(crate) fn parts(
        &mut self,
        content: Option<&Content<'_>>,
        path: &str,
        vocabulary: Vocabulary,
    ) -> Result<Vec<Part>, Rejection> {
        let list = match content {
            None => return Ok(Vec::new()),
            Some(TextOrList::Text(text)) => return Ok(vec![parts::text(text)]),
            Some(TextOrList::List(list)) => list,
        };
        let mut mapped = Vec::with_capacity(list.len());
        for (index, Object(part)) in list.iter().enumerate() {
            mapped.push(self.part(part, &format!("{path}[{index}]"), vocabulary)?);
        }
        images::check_message(&mapped, path)?;
        Ok(mapped)
    }

    fn part(
        &mut self,
        part: &ContentPart<'_>,
        path: &str,
        vocabulary: Vocabulary,
    ) -> Result<Part, Rejection> {
        let at = |key: &str| format!("{path}.{key}");
        let missing = |key: &str| Rejection::invalid(at(key), "expected a string");
        match kind(part) {
            Some("text" | "input_text" | "output_text") => {
                part.text.as_ref().map(|text| parts::text(text.as_str())).ok_or_else(|| missing("text"))
            }
            Some("refusal") => {
                part.refusal.as_ref().map(|text| parts::text(text.as_str())).ok_or_else(|| missing("refusal"))
            }
            Some("thinking" | "reasoning") if vocabulary == Vocabulary::TextAndReasoning => {
                let thought = part.thinking.as_ref().or(part.text.as_ref());
                Ok(parts::reasoning(thought.map_or("", |text| text.as_str())))
            }
            Some("image_url" | "input_image") if vocabulary == Vocabulary::TextAndImages => {
                let (url, param) = image_url(part, path)?;
                self.note_detail(part);
                self.images.at_url(url, &param)
            }
            Some("image_url" | "input_image") => {
                Err(Rejection::unsupported(path, "images are taken in user and tool messages only"))
            }
            Some("input_audio") => Err(Rejection::unsupported(path, "audio is not supported")),
            Some("file" | "input_file") => Err(Rejection::unsupported(path, "files are not supported")),
            Some(_) => Err(Rejection::unsupported(
                at("type"),
                "not a supported type of content; supported are text, input_text, refusal and image_url",
            )),
            None => Err(Rejection::invalid(at("type"), "expected a string")),
        }
    }

    fn note_detail(&mut self, part: &ContentPart<'_>) {
        let inside = match &part.image_url {
            Some(TextOrObject::Object(image)) => image.detail.as_ref(),
            _ => None,
        };
        let asked = inside.or(part.detail.as_ref()).is_some_and(|detail| detail.as_str() != "auto");
        self.ignored.note_if(asked, self.detail);
    }
}

/// The type of a part; one without is what its keys say.
fn kind<'p>(part: &'p ContentPart<'_>) -> Option<&'p str> {
    match &part.kind {
        Some(kind) => Some(kind.as_str()),
        None if part.text.is_some() => Some("text"),
        None if part.image_url.is_some() => Some("image_url"),
        None => None,
    }
}

/// The URL of an image part, with its path.
fn image_url<'p>(part: &'p ContentPart<'_>, path: &str) -> Result<(&'p str, String), Rejection> {
    match &part.image_url {
        Some(TextOrObject::Text(url)) => Ok((url, format!("{path}.image_url"))),
        Some(TextOrObject::Object(image)) => {
            let param = format!("{path}.image_url.url");
            match &image.url {
                Some(url) => Ok((url.as_str(), param)),
                None => Err(Rejection::invalid(param, "expected a string")),
            }
        }
        None if part.file_id.is_some() => {
            Err(Rejection::unsupported(format!("{path}.file_id"), "files are not supported"))
        }
        None => {
            Err(Rejection::invalid(format!("{path}.image_url"), "expected a string or an object with a url"))
        }
    }
}

/// The images of the content at `path` that are named by a remote URL.
pub(crate) fn remote_images(content: Option<&Content<'_>>, path: &str) -> Vec<RemoteImage> {
    let Some(TextOrList::List(parts)) = content else { return Vec::new() };
    let images = parts.iter().enumerate().filter_map(|(index, Object(part))| {
        // A part of another type may carry a URL as well; nobody looks at it.
        kind(part).filter(|kind| matches!(*kind, "image_url" | "input_image"))?;
        let (url, param) = image_url(part, &format!("{path}[{index}]")).ok()?;
        images::is_remote(url).then(|| RemoteImage { param, url: url.to_owned() })
    });
    images.collect()
}
