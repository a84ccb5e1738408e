// What a stranger with a base URL that is nearly right is told.
import { SELF } from 'cloudflare:test'
import { expect, it } from 'vitest'
import { ErrorBody } from '../../../protocol/errors.ts'

const SERVED = 'Served are POST /v1/chat/completions, /v1/completions, /v1/embeddings and GET /v1/models.'

it.each([
  ['GET', '/v1/chat/completions', 'method_not_allowed', 'POST /v1/chat/completions is served.', 'POST'],
  ['DELETE', '/v1/embeddings', 'method_not_allowed', 'POST /v1/embeddings is served.', 'POST'],
  ['POST', '/chat/completions', 'not_found', 'The base URL ends with /v1.', null],
  ['POST', '/v1/v1/chat/completions', 'not_found', 'The address has /v1 twice.', null],
  ['POST', '/v1/responses', 'not_found', SERVED, null],
  ['GET', '/v1', 'not_found', null, null],
  ['POST', '/api/nothing', 'not_found', null, null],
])('%s %s is %s, and says what to change', async (method, path, code, detail, allow) => {
  const response = await SELF.fetch(`https://souk.example.com${path}`, { method })
  const { error } = ErrorBody.parse(await response.json())
  expect([response.status, error.code, response.headers.get('allow')]).toEqual([allow ? 405 : 404, code, allow])
  const fixed = allow ? 'This method is not allowed here.' : 'There is nothing here.'
  expect(error.message).toBe(detail === null ? fixed : `${fixed} ${detail}`)
})
