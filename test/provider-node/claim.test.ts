// One process per state folder. The other process is this test's own parent, or one that has ended.
import { spawn } from 'node:child_process'
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CLAIM_FILE, claimHome, readClaim } from '../../provider-node/claim.ts'
import { OperatorError } from '../../provider-node/operator-error.ts'
import { aTemporaryFolder } from './builders.ts'

let home = ''
let remove = () => Promise.resolve()
beforeEach(async () => ({ path: home, remove } = await aTemporaryFolder()))
afterEach(() => remove())

const STARTED = '2026-11-21T10:00:00.000Z'
const aNote = (fields: object = {}) => ({
  pid: process.ppid,
  host: hostname(),
  startedAt: STARTED,
  url: null,
  link: null,
  ...fields,
})

async function leave(note: object | string, ageMs = 0): Promise<void> {
  const path = join(home, CLAIM_FILE)
  await writeFile(path, typeof note === 'string' ? note : JSON.stringify(note))
  await utimes(path, new Date(Date.now() - ageMs), new Date(Date.now() - ageMs))
}

async function aDeadProcess(): Promise<number> {
  const child = spawn(process.execPath, ['-e', ''])
  await new Promise((resolve) => child.once('close', resolve))
  return child.pid ?? 0
}

describe('the state folder of a node', () => {
  it('is claimed by one process, which says how it is reached, and is free again when that has ended', async () => {
    const claim = await claimHome(home, Date.now)
    await claim.tell({ url: null, link: 'wss://gateway.example/link' })
    const note: unknown = JSON.parse(await readFile(join(home, CLAIM_FILE), 'utf8'))
    expect(note).toMatchObject({ pid: process.pid, host: hostname(), url: null, link: 'wss://gateway.example/link' })
    await claim.release()
    expect(await readdir(home)).toEqual([])
  })

  it.each([
    [{ url: 'http://127.0.0.1:8790' }, `process ${process.ppid} since ${STARTED}, http://127.0.0.1:8790`],
    [{ link: 'wss://g.example/link' }, `process ${process.ppid} since ${STARTED}, wss://g.example/link`],
    [{ host: 'other', pid: 7 }, `process 7 on other since ${STARTED}`],
  ])('is refused to a second one in a sentence that says who runs: %j', async (fields, who) => {
    await leave(aNote(fields))
    await expect(claimHome(home, Date.now)).rejects.toEqual(
      new OperatorError(
        `a souk-node serves from ${home} already (${who}): stop it, or give this one another folder with --home`,
      ),
    )
  })

  it('is refused while a note is being written', async () => {
    await leave('')
    await expect(claimHome(home, Date.now)).rejects.toThrow(`another souk-node is starting in ${home}`)
  })

  it.each([
    ['a process that is gone', async () => leave(aNote({ pid: await aDeadProcess() }))],
    ['a process whose number is now our own, as in a container', () => leave(aNote({ pid: process.pid }))],
    ['a process that has not touched it for long: its number may be somebody else now', () => leave(aNote(), 15_001)],
    ['another machine, long ago', () => leave(aNote({ host: 'other' }), 15_001)],
    ['nobody who can be read', () => leave('{"pid":')],
  ])('is taken over from %s', async (_, prepare) => {
    await prepare()
    expect(await readClaim(home)).toBe(null)
    const claim = await claimHome(home, Date.now)
    expect(JSON.parse(await readFile(join(home, CLAIM_FILE), 'utf8'))).toMatchObject({ pid: process.pid })
    await claim.release()
    expect(await readdir(home)).toEqual([])
  })

  it('is not taken over at the last moment of a touched note', async () => {
    await leave(aNote(), 14_000)
    expect(await readClaim(home)).toMatchObject({ pid: process.ppid })
  })

  it('is not given back by who has lost it', async () => {
    const claim = await claimHome(home, Date.now)
    await leave(aNote())
    await claim.tell({ url: 'http://127.0.0.1:1', link: null })
    await claim.release()
    expect(await readClaim(home)).toMatchObject({ pid: process.ppid, url: null })
  })

  it('that cannot be written is one sentence', async () => {
    await expect(claimHome(join(home, 'nowhere'), Date.now)).rejects.toThrow(
      /running\.json cannot be written \(ENOENT\)/,
    )
  })
})
