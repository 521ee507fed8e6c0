from pathlib import Path

from buildcache import keys


def a_tree(folder: Path) -> Path:
    (folder / "inner").mkdir(parents=True)
    (folder / "a.go").write_text("package main")
    (folder / "inner" / "b.go").write_text("package inner")
    return folder


def test_key_does_not_depend_on_the_order_of_inputs() -> None:
    assert keys.key_of({"a": "1", "b": "2"}) == keys.key_of({"b": "2", "a": "1"})


def test_key_tells_a_list_from_its_joined_words() -> None:
    assert keys.key_of({"flags": ["a", "b"]}) != keys.key_of({"flags": ["a b"]})


def test_tree_digests_change_with_content_name_and_execute_permission(tmp_path: Path) -> None:
    tree = a_tree(tmp_path / "tree")
    seen = [keys.tree_digests(tree)]
    (tree / "a.go").write_text("package other")
    seen.append(keys.tree_digests(tree))
    (tree / "a.go").chmod(0o755)
    seen.append(keys.tree_digests(tree))
    (tree / "a.go").rename(tree / "c.go")
    seen.append(keys.tree_digests(tree))
    assert len({keys.key_of({"tree": digests}) for digests in seen}) == 4


def test_tree_digests_ignore_what_running_the_sources_leaves(tmp_path: Path) -> None:
    tree = a_tree(tmp_path / "tree")
    before = keys.tree_digests(tree)
    (tree / "inner" / "__pycache__").mkdir()
    (tree / "inner" / "__pycache__" / "b.pyc").write_bytes(b"compiled")
    assert keys.tree_digests(tree) == before


def test_tree_digests_do_not_depend_on_where_the_tree_lies(tmp_path: Path) -> None:
    here, there = a_tree(tmp_path / "here"), a_tree(tmp_path / "far" / "there")
    assert keys.tree_digests(here) == keys.tree_digests(there)
