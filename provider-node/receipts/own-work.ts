// Every receipt of ours that is still known, for comparing: those in the history, and those that wait for the gateway. Read beside a running node.
import { openDisk } from './disk.ts'
import { dayOf, historyFolder, ownOf, readHistory, type Own } from './history.ts'
import { readRecords } from './record.ts'
import { segmentName } from './segment-log.ts'
import { readStore } from './segments.ts'
import { receiptsFolder } from './store.ts'
import { storedOf } from './stored.ts'

/** @param days both included, as {@link dayOf} @throws when a folder cannot be read */
export async function readOwnWork(home: string, days: { from: string; to: string }): Promise<Own[]> {
  // The history last: what is acknowledged in between stands there by then.
  const waiting = await readWaiting(home)
  const noted = await readHistory(openDisk(historyFolder(home)), days)
  const known = new Set(noted.map(({ jti }) => jti))
  const inDays = ({ at }: Own) => dayOf(at) >= days.from && dayOf(at) <= days.to
  return [...noted, ...waiting.filter((own) => !known.has(own.jti) && inDays(own))]
}

async function readWaiting(home: string): Promise<Own[]> {
  const disk = openDisk(receiptsFolder(home))
  const { waiting } = await readStore(disk)
  const found: Own[] = []
  for (const { place } of waiting.values()) {
    // A file that has gone meanwhile held nothing that still waits.
    const bytes = await disk.readPart(segmentName(place.segment), place.at, place.bytes).catch(() => null)
    const record = bytes && storedOf(readRecords(bytes).records[0])
    const own = record?.t === 'kept' ? ownOf(record, 'waiting') : null
    if (own) found.push(own)
  }
  return found
}
