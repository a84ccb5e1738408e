import { expect, it } from 'vitest'
import { outcomeWords } from '../../../gateway/dashboard/admin/outcome-words.ts'

it.each([
  [200, null, 'done (200)'],
  [399, null, 'done (399)'],
  [400, 'invalid_request', 'refused (400 invalid_request)'],
  [409, null, 'refused (409)'],
  [499, null, 'refused (499)'],
  [500, 'internal_error', 'not known: the gateway failed (500 internal_error)'],
  [503, null, 'not known: the gateway failed (503)'],
  [null, null, 'not known: nobody came back to say it'],
])('says of an act with %s %s what came of it', (status, code, words) => {
  expect(outcomeWords({ status, code })).toBe(words)
})
