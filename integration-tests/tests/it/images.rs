//! Images that a request names by URL: refused, unless the operator has them fetched; then they arrive like inline
//! ones, from public addresses only. Servers of these tests are on this machine, which no setting permits: the house
//! is told by its config.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::response::Redirect;
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use warp2api_gateway::RemoteImages;
use warp2api_integration_tests::{House, Topology, ask, received, wait};

const NOT_PUBLIC: &str = "the URL does not lead to a public address, and images are fetched from those only";

/// A server with images, and how often it was asked.
pub(crate) struct Site {
    address: std::net::SocketAddr,
    asked: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

impl Site {
    async fn serve(router: Router) -> Self {
        let asked = Arc::<AtomicUsize>::default();
        let count = asked.clone();
        let router = router.layer(axum::middleware::map_request(move |request: Request| {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::ready(request)
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, asked, _server: server }
    }

    /// One with a PNG of every byte there is, a GIF, and a way to each.
    pub(crate) async fn with_images() -> Self {
        let router = Router::new()
            .route("/every-byte.png", get(async || ([("content-type", "text/plain")], png())))
            .route("/small", get(async || GIF))
            .route("/moved", get(async || Redirect::permanent("/small")));
        Self::serve(router).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x00\xff\x00,";

fn png() -> Vec<u8> {
    let every_byte = (0..=u8::MAX).cycle().take(200_000);
    b"\x89PNG\r\n\x1a\n".iter().copied().chain(every_byte).collect()
}

fn inline(data: &[u8]) -> String {
    format!("data:;base64,{}", BASE64_STANDARD.encode(data))
}

async fn house(images: RemoteImages) -> House {
    House::builder().tune(move |config| config.gateway.remote_images = images).start().await
}

fn image(url: &str) -> Value {
    json!({ "type": "image_url", "image_url": { "url": url } })
}

/// A question with an image.
fn ask_about(url: &str) -> Value {
    let mut body = ask("");
    body["messages"][0]["content"] = json!([{ "type": "text", "text": "What is it?" }, image(url)]);
    body
}

/// Images in a past turn, in the result of a tool and in the latest message.
fn conversation(large: &str, small: &str, moved: &str) -> Value {
    json!({ "messages": [
        { "role": "user", "content": [image(large), { "type": "text", "text": "look" }, image(small)] },
        { "role": "assistant", "content": null, "tool_calls": [
            { "id": "k1", "type": "function", "function": { "name": "see", "arguments": "{}" } },
        ] },
        { "role": "tool", "tool_call_id": "k1", "content": [image(moved)] },
        { "role": "user", "content": [image(moved), { "type": "text", "text": "and now?" }, image(large)] },
    ] })
}

/// The words of the error of a request with an image at fault.
async fn refusal(house: &House, body: &Value, code: &str) -> String {
    let (status, answer) = house.chat(body).await;
    let error = &answer["error"];
    assert_eq!(
        (status, &error["type"], &error["code"]),
        (400, &json!("invalid_request_error"), &json!(code))
    );
    assert_eq!(error["param"], "messages[0].content[1].image_url.url", "{answer}");
    let message = error["message"].as_str().unwrap();
    message.strip_prefix("messages[0].content[1].image_url.url: ").unwrap().to_owned()
}

#[tokio::test]
async fn remote_images_arrive_exactly_as_inline_ones_do() {
    let site = Site::with_images().await;
    let urls = ["/every-byte.png", "/small", "/moved"].map(|path| site.url(path));
    let remote = conversation(&urls[0], &urls[1], &urls[2]);
    let same = conversation(&inline(&png()), &inline(GIF), &inline(GIF));
    for topology in [Topology::InProcess, Topology::Tcp] {
        let permit = |config: &mut warp2api_server::config::Config| {
            config.gateway.remote_images = RemoteImages::PublicAndLoopback;
        };
        let house = House::builder().topology(topology).tune(permit).start().await;
        let before = site.asked();

        let (status, answer) = house.chat(&remote).await;

        assert_eq!(status, 200, "{answer}");
        assert_eq!(site.asked() - before, 4, "each URL once, and a redirect");
        let arrived = house.last_request();
        let expected = [("image/gif", GIF), ("image/png", &png())]
            .map(|(kind, data)| (kind.to_owned(), BASE64_STANDARD.encode(data)));
        assert_eq!(received::new_images(&arrived), expected);
        let gif = format!("image/gif:{}", BASE64_STANDARD.encode(GIF).len());
        let png = format!("image/png:{}", BASE64_STANDARD.encode(png()).len());
        let lines = received::conversation(&arrived);
        assert_eq!(lines[0], format!("user \"look\" {png} {gif}"));
        assert_eq!(lines[2], format!("result k1 {gif}"));
        assert_eq!(lines[3], format!("=> user \"and now?\" {gif} {png}"));
        assert_eq!(house.record().last_chat().unwrap().violations, []);

        let (status, _) = house.chat(&same).await;

        assert_eq!(status, 200);
        let inline = house.last_request();
        assert!(received::without_ids(arrived) == received::without_ids(inline), "they differ");
        house.close().await;
    }
}

#[tokio::test]
async fn nothing_is_fetched_unless_the_operator_says_so() {
    let site = Site::with_images().await;
    let house = House::start().await;

    let words = refusal(&house, &ask_about(&site.url("/small")), "unsupported_parameter").await;

    assert!(words.contains("W2A_FETCH_IMAGES=true") && words.contains("data: URL"), "{words}");
    assert_eq!((site.asked(), house.record().received()), (0, 0));
    house.close().await;
}

#[tokio::test]
async fn an_operator_can_permit_public_addresses_and_no_others() {
    let site = Site::with_images().await;
    let house =
        House::builder().settings(|settings| settings.fetch_images = Some("true".to_owned())).start().await;
    let port = site.address.port();

    for url in [
        site.url("/small"),
        format!("http://localhost:{port}/small"),
        format!("http://0x7f.1:{port}/small"),
        format!("http://[::ffff:127.0.0.1]:{port}/small"),
        // Services of the house itself are no exception.
        format!("{}/healthz", house.edge),
        "http://10.0.0.1/".to_owned(),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "http://[fd00:ec2::254]/".to_owned(),
    ] {
        assert_eq!(refusal(&house, &ask_about(&url), "invalid_value").await, NOT_PUBLIC, "{url}");
    }
    assert_eq!((site.asked(), house.record().received()), (0, 0));
    house.close().await;
}

#[tokio::test]
async fn what_a_server_says_instead_of_an_image_stays_with_us() {
    let router = Router::new()
        .route("/page", get(async || ([("content-type", "image/png")], "<p>planted</p>")))
        .route("/failure", get(async || (http::StatusCode::FORBIDDEN, "planted")))
        .route("/inwards", get(async || Redirect::to("http://192.168.0.1/planted")));
    let site = Site::serve(router).await;
    let house = house(RemoteImages::PublicAndLoopback).await;

    for (path, words) in [
        ("/page", "expected a PNG, JPEG, GIF or WebP image"),
        ("/failure", "the image could not be fetched"),
        ("/inwards", NOT_PUBLIC),
    ] {
        assert_eq!(refusal(&house, &ask_about(&site.url(path)), "invalid_value").await, words);
    }
    assert_eq!(house.record().received(), 0);
    house.close().await;
}

#[tokio::test]
async fn a_request_that_is_refused_anyway_fetches_nothing() {
    let site = Site::with_images().await;
    let house = house(RemoteImages::PublicAndLoopback).await;
    let mut two_choices = ask_about(&site.url("/small"));
    two_choices["n"] = json!(2);
    let mut too_many = ask("");
    let images: Vec<_> = (0..21).map(|number| image(&site.url(&format!("/small?{number}")))).collect();
    too_many["messages"][0]["content"] = json!(images);

    for (body, param) in [(two_choices, "n"), (too_many, "messages[0].content")] {
        let (status, answer) = house.chat(&body).await;
        assert_eq!((status, &answer["error"]["param"]), (400, &json!(param)), "{answer}");
    }
    assert_eq!(site.asked(), 0);
    house.close().await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_fetches() {
    /// Is there as long as the server works on an answer.
    struct Working(Arc<AtomicUsize>);
    impl Drop for Working {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let working = Arc::<AtomicUsize>::default();
    let count = working.clone();
    let never = async move || {
        count.fetch_add(1, Ordering::SeqCst);
        let _working = Working(count);
        std::future::pending::<()>().await;
    };
    let site = Site::serve(Router::new().fallback(never)).await;
    let house = house(RemoteImages::PublicAndLoopback).await;
    for streamed in [true, false] {
        let mut body = ask("");
        body["messages"][0]["content"] = json!([image(&site.url("/a")), image(&site.url("/b"))]);
        body["stream"] = json!(streamed);

        {
            let waiting = house.post(&body);
            tokio::pin!(waiting);
            tokio::select! {
                _ = &mut waiting => panic!("the server does not answer"),
                () = wait::until("both are being fetched", || working.load(Ordering::SeqCst) == 2) => {}
            }
        }

        wait::until("nobody waits for them", || working.load(Ordering::SeqCst) == 0).await;
    }
    assert_eq!(house.record().received(), 0);
    house.close().await;
}
