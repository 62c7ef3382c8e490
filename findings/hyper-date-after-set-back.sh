#!/usr/bin/env bash
# hyper (server): the header `Date` is made anew only when the system's clock is later than it was before. After a clock is set back,
# answers go on with the date of before, until the clock has caught up: others take the clock for wrong that was just corrected.
# Seen with hyper 1.12.0. Needs Debian's faketime. Prints the version and the dates; fails if that changes.
set -euo pipefail
library=$(ls /usr/lib/*/faketime/libfaketimeMT.so.1)
folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
cargo init --quiet --name finding --vcs none
cargo add --quiet hyper@=1.12.0 --features server,http1
cargo add --quiet hyper-util@0.1 --features tokio
cargo add --quiet http-body-util@0.1
cargo add --quiet tokio@1 --features rt,net
cat > src/main.rs <<'RUST'
use std::convert::Infallible;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::{Response, service::service_fn};
use hyper_util::rt::TokioIo;

fn main() {
    // One thread, as each has a date of its own.
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = service_fn(async |_| Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        }
    });
}
RUST
cargo build --quiet
echo +1h > clock
LD_PRELOAD=$library FAKETIME_TIMESTAMP_FILE=$folder/clock FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 \
  target/debug/finding > address &
server=$!
until [ -s address ]; do sleep 0.1; done
seconds() { date -d "$(curl -si -H 'Connection: close' "http://$(cat address)/" | sed -n 's/^date: //Ip' | tr -d '\r')" +%s; }
ahead() { echo $(($(seconds) - $(date +%s))); }
first=$(ahead)
echo +0 > clock
sleep 3
second=$(ahead)
echo "hyper 1.12.0: with the clock an hour ahead, Date is $first s ahead; three seconds after it was set back, $second s"
# Within the seconds that it took.
[ "$first" -ge 3595 ] && [ "$second" -ge 3590 ] || { echo "it has changed"; exit 1; }
