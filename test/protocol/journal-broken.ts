// The first broken line of a file, as a verifier names it however it reads: with and without a first look, in small and in large pieces.
import { expect } from 'vitest'
import { JournalForesight } from '../../protocol/journal-foresight.ts'
import { verifyJournal, type VerifyOptions } from '../../protocol/journal-verify.ts'
import { piecesOf } from '../support/journal.ts'

function foresee(texts: readonly string[]): VerifyOptions {
  const foresight = new JournalForesight()
  texts.forEach((text) => foresight.look(text))
  return { foresight }
}

export async function brokenOf(texts: readonly string[], options: VerifyOptions = {}) {
  const answers = [
    await verifyJournal(piecesOf(texts, 1), options),
    await verifyJournal(piecesOf(texts, 100), { ...options, ...foresee(texts) }),
  ]
  expect(answers[0]?.broken).toEqual(answers[1]?.broken)
  return answers[0]?.broken
}
