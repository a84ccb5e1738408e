import { describe, expect, it } from 'vitest'
import {
  AttemptFailure,
  refusalOf,
  timedOut,
  verdict,
  type RefusedBy,
} from '../../../../gateway/inference/attempts/failure.ts'

const refused = (over: Partial<RefusedBy>) =>
  refusalOf({ status: 400, body: null, retryAfterMs: null, mayExceedContext: true, ...over })
const said = (code: string) => ({ error: { code } })

describe("a node's refusal", () => {
  it.each([
    [400, said('context_length_exceeded'), 'context_length_exceeded', 'caller'],
    [400, said('content_filter'), 'content_filter', 'caller'],
    [400, said('bad_request'), 'provider_failed', 'none'],
    [400, said('unsupported_parameter'), 'unsupported_parameter', 'none'],
    [429, said('busy'), 'provider_busy', 'none'],
    [429, null, 'provider_busy', 'none'],
    [503, said('draining'), 'no_provider', 'none'],
    [401, said('bad_ticket'), 'provider_failed', 'node'],
    [403, null, 'provider_failed', 'node'],
    [302, null, 'provider_failed', 'node'],
    [500, '<html>', 'provider_failed', 'node'],
    [418, said('rm -rf'), 'provider_failed', 'node'],
  ])('%s %j is %s, the fault of: %s', (status, body, code, fault) => {
    expect(refused({ status, body })).toMatchObject({ code, fault })
  })
  it("is not tried elsewhere when it is the caller's fault", () => {
    expect(refused({ body: said('context_length_exceeded') }).isRetryable).toBe(false)
    expect(refused({ body: said('content_filter') }).isRetryable).toBe(false)
    expect(refused({ status: 500 }).isRetryable).toBe(true)
    expect(refused({ status: 429 }).isRetryable).toBe(true)
  })
  it.each([
    ['context_length_exceeded', true],
    ['content_filter', true],
    ['bad_request', true],
    ['unsupported_parameter', true],
    ['bad_ticket', false],
    ['busy', false],
    ['internal', false],
  ])('%s is said of the model and the request, not of the node: %s', (code, isOfModel) => {
    expect(refused({ body: said(code) }).isOfModel).toBe(isOfModel)
  })
  it('carries when to come back, whatever else it says', () => {
    expect(refused({ status: 429, retryAfterMs: 7 }).retryAfterMs).toBe(7)
    expect(refused({ status: 503, retryAfterMs: 7 }).retryAfterMs).toBe(7)
    expect(refused({ status: 503 }).retryAfterMs).toBeNull()
  })
  it.each([
    [{ status: 307 }, 'It sent the call elsewhere, which is not followed.'],
    [{ status: 401, body: said('bad_ticket') }, 'It refused the ticket of this gateway.'],
    [{ status: 404, body: said('model_not_loaded') }, 'It has not loaded this model.'],
    [{ status: 502, body: 'a stranger’s words' }, 'It answered with status 502.'],
    [{ body: said('bad_request') }, 'It called the request wrong.'],
    [{ status: 429 }, 'It had no place for another call.'],
  ])('%j is told as: %s', (by, words) => expect(refused(by).reason).toBe(words))
})

describe('a refusal that cannot be true', () => {
  it('is the fault of the node: an input that fits whatever its tokens are', () => {
    const lie = refused({ body: said('context_length_exceeded'), mayExceedContext: false })
    expect(lie).toMatchObject({ code: 'provider_failed', fault: 'node', isRetryable: true, isOfModel: false })
  })
})

it('silence is told by where it was', () => {
  const words = (['connect', 'first output', 'gap', 'call'] as const).map((stage) => timedOut(stage).reason)
  expect(new Set(words).size).toBe(4)
})

describe('the verdict over all attempts', () => {
  const failed = new AttemptFailure('provider_failed', 'node')
  const broke = new AttemptFailure('provider_broke_off', 'node')
  const busy = new AttemptFailure('provider_busy', 'none')
  const unable = new AttemptFailure('unsupported_parameter', 'none')
  const wrong = new AttemptFailure('context_length_exceeded', 'caller')
  const filtered = new AttemptFailure('content_filter', 'caller')
  it.each([
    [[busy, busy], 'provider_busy'],
    [[busy, failed], 'provider_failed'],
    [[timedOut(), busy], 'provider_timeout'],
    [[failed, wrong], 'context_length_exceeded'],
    [[wrong, busy], 'provider_busy'],
    [[wrong, broke], 'provider_broke_off'],
    [[filtered, unable], 'content_filter'],
    [[wrong, filtered], 'content_filter'],
    [[unable, unable], 'unsupported_parameter'],
    [[busy, unable], 'provider_busy'],
    [[unable, failed, unable], 'provider_failed'],
    [[], 'no_provider'],
  ])('of %j is %s', (failures, code) => expect(verdict(failures).code).toBe(code))

  it('of busy nodes says when the first of them is free', () => {
    const inMs = (retryAfterMs: number | null) => new AttemptFailure('provider_busy', 'none', { retryAfterMs })
    expect(verdict([inMs(9_000), inMs(4_000)]).retryAfterMs).toBe(4_000)
    expect(verdict([inMs(null), inMs(4_000)]).retryAfterMs).toBe(4_000)
    expect(verdict([inMs(null)]).retryAfterMs).toBeNull()
  })
})
