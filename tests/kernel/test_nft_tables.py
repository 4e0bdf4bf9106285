from podwire.kernel import nft_tables
from podwire.kernel.nftables import Nftables
from tests.sandbox import sandboxed

TABLES = {"inet a", "ip a", "ip6 podwire-x", "arp b", "bridge b"}


@sandboxed
def test_tables_are_listed_by_family_and_name() -> None:
    assert nft_tables.present() == []
    nft = Nftables()
    for table in TABLES:
        nft.run(f"add table {table}")
    assert set(nft_tables.present()) == TABLES
    nft.run("delete table ip a")
    assert set(nft_tables.present()) == TABLES - {"ip a"}
