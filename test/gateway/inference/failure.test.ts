import { describe, expect, it } from 'vitest'
import { AttemptFailure, refusalOf, timedOut, verdict } from '../../../gateway/inference/failure.ts'

describe("a node's refusal", () => {
  it.each([
    [400, { error: { code: 'context_length_exceeded' } }, 'context_length_exceeded', 'caller'],
    [400, { error: { code: 'bad_request' } }, 'provider_failed', 'none'],
    [400, { error: { code: 'unsupported_parameter' } }, 'unsupported_parameter', 'none'],
    [429, { error: { code: 'busy' } }, 'provider_busy', 'none'],
    [429, null, 'provider_busy', 'none'],
    [503, { error: { code: 'draining' } }, 'no_provider', 'none'],
    [401, { error: { code: 'bad_ticket' } }, 'provider_failed', 'node'],
    [302, null, 'provider_failed', 'node'],
    [500, '<html>', 'provider_failed', 'node'],
    [418, { error: { code: 'rm -rf' } }, 'provider_failed', 'node'],
  ])('%s %j is %s, the fault of: %s', (status, body, code, fault) => {
    expect(refusalOf(status, body, true)).toMatchObject({ code, fault })
  })
  it("is not tried elsewhere when it is the caller's fault", () => {
    expect(refusalOf(400, { error: { code: 'context_length_exceeded' } }, true).isRetryable).toBe(false)
    expect(refusalOf(500, null, true).isRetryable).toBe(true)
    expect(refusalOf(429, null, true).isRetryable).toBe(true)
  })
})

describe('a refusal that cannot be true', () => {
  it('is the fault of the node: an input that fits whatever its tokens are', () => {
    const lie = refusalOf(400, { error: { code: 'context_length_exceeded' } }, false)
    expect(lie).toMatchObject({ code: 'provider_failed', fault: 'node', isRetryable: true })
  })
})

describe('the verdict over all attempts', () => {
  const failed = new AttemptFailure('provider_failed', 'node')
  const busy = new AttemptFailure('provider_busy', 'none')
  const unable = new AttemptFailure('unsupported_parameter', 'none')
  const wrong = new AttemptFailure('context_length_exceeded', 'caller')
  it.each([
    [[busy, busy], 'provider_busy'],
    [[busy, failed], 'provider_failed'],
    [[timedOut(), busy], 'provider_timeout'],
    [[failed, wrong], 'context_length_exceeded'],
    [[unable, unable], 'unsupported_parameter'],
    [[busy, unable], 'provider_busy'],
    [[unable, failed, unable], 'provider_failed'],
    [[], 'no_provider'],
  ])('of %j is %s', (failures, code) => expect(verdict(failures).code).toBe(code))
})
