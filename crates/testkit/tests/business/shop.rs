//! The example of `docs/business-servers.md`, against the real server.

#[path = "../../../grpc/examples/business_server/shop.rs"]
mod example;

use halley_testkit::raw::text_of;
use halley_wire::txchat::Signal;

use crate::support::{World, pushed, silent, strings};
use example::Shop;

#[test]
fn the_shop_of_the_documentation_tells_its_customers_online_and_later() {
    let world = World::with(&["grpc.token=shops-secret"]);
    let alice = world.login("alice");
    let customers = strings(&["alice", "bob"]);
    let url = format!("http://{}", world.server().address("logic_grpc"));
    world
        .runtime
        .block_on(async {
            let mut shop = Shop::connect(url, "demo".to_owned(), Some("shops-secret".to_owned())).await?;
            shop.open("3110", &customers).await?;
            shop.serve("3110", &customers).await
        })
        .expect("nobody needs to be online");
    let members = strings(&["alice", "bob", "shop"]);
    assert_eq!(world.group("3110"), Some(("shop".to_owned(), members)));
    let told = |mut client| {
        let signal = pushed(&mut client);
        assert_eq!(Signal::parse(&signal.body).expect("a signal").kind, 13);
        let texts = [text_of(&pushed(&mut client)), text_of(&pushed(&mut client))];
        silent(&mut client);
        texts.map(|text| (text.from, text.client_id, text.text))
    };
    let expected = |user: &str| {
        [
            ("shop".to_owned(), format!("order-{user}"), format!("{user}, your order is on its way")),
            ("shop".to_owned(), "offer-1".to_owned(), "today: two for the price of one".to_owned()),
        ]
    };
    assert_eq!(told(alice), expected("alice"));
    assert_eq!(told(world.login("bob")), expected("bob"));
}
