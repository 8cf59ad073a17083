//! Small bodies that become large ones, in every coding, and those that ask for a large window: refused at both ports,
//! before anything is made of them.

use async_compression::Level;
use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use tokio::io::AsyncWriteExt as _;
use warp2api_integration_tests::{House, ask};

const LIMIT: usize = 1024 * 1024;

#[tokio::test]
async fn bombs_of_every_coding_are_refused_and_the_next_request_is_served() {
    let zeros = vec![0; 16 * LIMIT];
    macro_rules! packed {
        ($encoder:ident) => {{
            let mut encoder = $encoder::with_quality(Vec::new(), Level::Fastest);
            encoder.write_all(&zeros).await.unwrap();
            encoder.shutdown().await.unwrap();
            encoder.into_inner()
        }};
    }
    let house = House::builder().settings(|s| s.max_body_bytes = Some(LIMIT.to_string())).start().await;
    for (coding, bomb, status) in [
        ("gzip", packed!(GzipEncoder), 413),
        ("deflate", packed!(ZlibEncoder), 413),
        ("br", packed!(BrotliEncoder), 413),
        ("zstd", packed!(ZstdEncoder), 413),
        // Windows of 2^30 bytes: one that brotli's own standard does not have, and one that zstd's decoders need not.
        ("br", vec![0b001_0001, 0b1101_1110], 400),
        ("zstd", vec![0x28, 0xb5, 0x2f, 0xfd, 0, 20 << 3, 1, 0, 0], 400),
    ] {
        assert!(bomb.len() < LIMIT / 4, "{coding}: {}", bomb.len());
        let url = format!("{}/v1/chat/completions", house.edge);
        let sent = house.http.post(url).header("content-type", "application/json");
        let answer = sent.header("content-encoding", coding).body(bomb).send().await.unwrap();
        assert_eq!(answer.status(), status, "{coding}");
    }
    for (coding, body) in
        [("br", vec![0b001_0001, 0b1101_1110]), ("zstd", vec![0x28, 0xb5, 0x2f, 0xfd, 0, 20 << 3, 1, 0, 0])]
    {
        let url = format!("http://{}/api/encode", house.codec);
        let sent = house.http.post(url).header("content-type", "application/json");
        let answer = sent.header("content-encoding", coding).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{coding} at the services");
    }
    assert_eq!(house.record().received(), 0);
    assert_eq!(house.chat(&ask("say exactly: fine")).await.0, 200);
    house.close().await;
}
