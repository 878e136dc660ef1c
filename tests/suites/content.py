"""What every content store does; a test class derives from `ContentSuite` and makes the store.

Spec: image-spec v1.1 descriptor.md, "Verification".
"""

import os
import threading

import pytest

from teul.errors import BlobNotFound, DigestMismatch, SizeMismatch
from teul.oci.digest import Digest

HELLO = b"hello"
DIGEST = Digest.of(HELLO)


class ContentSuite:
    @pytest.fixture
    def store(self, tmp_path):
        return self.make(tmp_path)

    def make(self, tmp_path):
        raise NotImplementedError

    def damage(self, store, digest, data):
        raise NotImplementedError

    def test_a_blob_that_was_put_is_read_back(self, store):
        digest = store.put(HELLO)

        assert digest == DIGEST
        assert store.has(digest)
        assert store.info(digest).size_bytes == 5
        assert store.read(digest) == HELLO

    def test_the_empty_blob_is_a_blob(self, store):
        digest = store.put(b"")

        assert store.read(digest) == b""
        with store.open(digest) as reader:
            assert reader.read(10) == b""

    def test_putting_twice_is_fine(self, store):
        store.put(HELLO)
        store.put(HELLO)

        assert [info.digest for info in store.walk()] == [DIGEST]

    def test_a_missing_blob_is_not_found(self, store):
        assert not store.has(DIGEST)
        for ask in (store.info, store.open, store.read):
            with pytest.raises(BlobNotFound) as caught:
                ask(DIGEST)
            assert caught.value.digest == DIGEST

    def test_removing_is_idempotent(self, store):
        store.put(HELLO)
        store.remove(DIGEST)
        store.remove(DIGEST)

        assert not store.has(DIGEST)
        assert list(store.walk()) == []

    def test_an_open_blob_is_read_to_its_end_after_its_removal(self, store):
        store.put(HELLO)
        with store.open(DIGEST) as reader:
            store.remove(DIGEST)

            assert reader.read() == HELLO

    def test_nothing_is_visible_before_the_commit(self, store):
        with store.ingest(expected=DIGEST) as writer:
            writer.write(HELLO)

            assert not store.has(DIGEST)
            assert list(store.walk()) == []
            info = writer.commit()

        assert (info.digest, info.size_bytes) == (DIGEST, 5)
        assert store.has(DIGEST)

    def test_without_a_commit_nothing_ever_is(self, store):
        with store.ingest(expected=DIGEST) as writer:
            writer.write(HELLO)

        assert not store.has(DIGEST)

    def test_pieces_make_one_blob(self, store):
        with store.ingest() as writer:
            for letter in (b"h", memoryview(b"el"), b"", b"lo"):
                assert writer.write(letter) == len(letter)
            assert writer.offset == 5
            assert writer.commit().digest == DIGEST

        assert store.read(DIGEST) == HELLO

    def test_a_wrong_digest_is_refused_and_forgotten(self, store):
        with store.ingest(expected=DIGEST, key="k") as writer:
            writer.write(b"hallo")
            with pytest.raises(DigestMismatch) as caught:
                writer.commit()

        assert (caught.value.expected, caught.value.actual) == (DIGEST, Digest.of(b"hallo"))
        assert list(store.walk()) == []
        with store.ingest(expected=DIGEST, key="k") as writer:
            assert writer.offset == 0

    def test_a_wrong_size_is_refused_and_forgotten(self, store):
        with store.ingest(expected=DIGEST, size_bytes=6, key="k") as writer:
            writer.write(HELLO)
            with pytest.raises(SizeMismatch) as caught:
                writer.commit()

        assert (caught.value.expected, caught.value.actual) == (6, 5)
        with store.ingest(key="k") as writer:
            assert writer.offset == 0

    def test_a_write_with_a_key_goes_on_where_it_stopped(self, store):
        with store.ingest(expected=DIGEST, size_bytes=5, key="k") as writer:
            writer.write(b"hel")

        with store.ingest(expected=DIGEST, size_bytes=5, key="k") as writer:
            assert writer.offset == 3
            writer.write(b"lo")
            writer.commit()
        assert store.read(DIGEST) == HELLO

    def test_a_write_goes_on_after_an_error_too(self, store):
        with pytest.raises(ConnectionError), store.ingest(expected=DIGEST, key="k") as writer:
            writer.write(b"hel")
            raise ConnectionError

        with store.ingest(expected=DIGEST, key="k") as writer:
            assert writer.offset == 3

    def test_a_resumed_write_may_start_again(self, store):
        with store.ingest(expected=DIGEST, key="k") as writer:
            writer.write(b"xxx")

        with store.ingest(expected=DIGEST, key="k") as writer:
            writer.restart()
            assert writer.offset == 0
            writer.write(HELLO)
            writer.commit()
        assert store.read(DIGEST) == HELLO

    def test_what_is_longer_than_expected_is_not_resumed(self, store):
        with store.ingest(key="k") as writer:
            writer.write(b"too much of it")

        with store.ingest(expected=DIGEST, size_bytes=5, key="k") as writer:
            assert writer.offset == 0

    def test_keys_do_not_meet(self, store):
        with store.ingest(key="a") as writer:
            writer.write(HELLO)

        with store.ingest(key="b") as writer:
            assert writer.offset == 0

    def test_two_living_writers_of_one_key_do_not_mix(self, store):
        with store.ingest(expected=DIGEST, key="k") as first, store.ingest(expected=DIGEST, key="k") as second:
            first.write(b"hel")
            second.write(HELLO)
            second.commit()
            first.write(b"lo")
            first.commit()

        assert store.read(DIGEST) == HELLO

    def test_a_damaged_blob_is_noticed_at_its_end(self, store):
        store.put(HELLO)
        self.damage(store, DIGEST, b"hellO")

        with store.open(DIGEST) as reader:
            assert reader.read(5) == b"hellO"
            with pytest.raises(DigestMismatch) as caught:
                reader.read(1)
        assert caught.value.actual == Digest.of(b"hellO")
        with pytest.raises(DigestMismatch):
            store.read(DIGEST)

    def test_a_blob_that_was_cut_short_is_noticed(self, store):
        store.put(HELLO)
        self.damage(store, DIGEST, b"hel")

        with pytest.raises(DigestMismatch):
            store.read(DIGEST)

    def test_walk_gives_every_blob_once(self, store):
        digests = {store.put(b"%d" % number) for number in range(20)}

        assert {info.digest for info in store.walk()} == digests
        assert sum(info.size_bytes for info in store.walk()) == 30

    def test_committing_again_says_that_it_is_wanted(self, store):
        store.put(HELLO)
        before = store.used_ns(DIGEST)
        while store.used_ns(DIGEST) == before:
            store.put(HELLO)

        assert store.used_ns(DIGEST) > before
        assert store.used_ns(Digest.of(b"absent")) == 0

    def test_sweeping_spares_what_lives_and_what_may_be_resumed(self, store):
        with store.ingest(key="old") as writer:
            writer.write(HELLO)
        with store.ingest(key="held") as writer:
            writer.write(HELLO)
            store.sweep_ingests()
            with store.ingest(key="old") as again:
                assert again.offset == 5
            assert store.sweep_ingests(older_than_s=0) > 0
            writer.commit()

        assert store.read(DIGEST) == HELLO
        with store.ingest(key="old") as writer:
            assert writer.offset == 0

    def test_threads_write_and_read_at_once(self, store):
        data = [os.urandom(100_000) for _ in range(4)]
        wrong = []

        def work(number):
            for piece in data[number % 4 :] + data[: number % 4]:
                digest = store.put(piece)
                if store.read(digest) != piece:
                    wrong.append(digest)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert wrong == []
        assert {info.digest for info in store.walk()} == {Digest.of(piece) for piece in data}
