from suites.content import ContentSuite
from teul.testing.content import MemoryStore


class TestMemoryStore(ContentSuite):
    def make(self, tmp_path):
        return MemoryStore()

    def damage(self, store, digest, data):
        store.damage(digest, data)
