// A refusal of the gateway, as programs that call it meet it. How one is read: refusal.ts.

/** With the code of `protocol/errors.ts` as the gateway sent it. */
export class SoukError extends Error {
  override readonly name = 'SoukError'
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly requestId: string | null,
  ) {
    super(message)
  }
}
