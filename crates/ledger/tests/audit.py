"""Audits a log's folder with aics-tlog: the signatures of log and witness, every tile, every bundle."""
import sys

from aics_tlog.checkpoint import parse_checkpoint, verify_checkpoint
from aics_tlog.note import parse_note, parse_vkey
from aics_tlog.tiles import FileSystemTileReader
from aics_tlog.verified import audit_tiles

folder, log, witness = sys.argv[1:]
with open(folder + "/checkpoint", encoding="utf-8") as file:
    note = parse_note(file.read())
found = verify_checkpoint(note, parse_vkey(log), [parse_vkey(witness)], 1)
if not found.ok:
    sys.exit(f"the checkpoint: {found.error}")
head = parse_checkpoint(note.text)
print(audit_tiles(FileSystemTileReader(folder), head.size, head.root).size)
