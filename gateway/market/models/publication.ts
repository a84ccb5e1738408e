// Who may publish a manifest: its author's wallet has signed all of it (EIP-712), for one market and for less than a day. A stolen session alone
// can publish nothing and change no royalty.
import { getAddress, recoverTypedDataAddress } from 'viem'
import type { Result } from '../../../protocol/errors.ts'
import { publicationOf, type PublishRequest } from '../../../protocol/publish.ts'

/** A publication is signed for now, not for later. */
const DEADLINE_SECONDS_MAX = 24 * 3_600

/** @returns the author's address, checksummed */
export async function checkPublication(
  request: PublishRequest,
  context: { chainId: number; nowSeconds: number },
): Promise<Result<string, 'signature_refused'>> {
  const { deadline } = request
  if (deadline <= context.nowSeconds) return refused('Its deadline has passed.')
  if (deadline > context.nowSeconds + DEADLINE_SECONDS_MAX) return refused('Its deadline is more than a day ahead.')
  const author = getAddress(request.author)
  const signer = await signerOf(request, author, context.chainId)
  if (signer !== author) return refused('The author address has not signed this manifest for this market.')
  return { ok: true, value: author }
}

async function signerOf(
  { manifest, deadline, signature }: PublishRequest,
  author: `0x${string}`,
  chainId: number,
): Promise<string | null> {
  try {
    return await recoverTypedDataAddress({
      ...publicationOf(manifest, author, deadline, chainId),
      signature: `0x${signature.slice(2)}`,
    })
  } catch {
    // viem throws one class per kind of broken signature; to the caller they are all one refusal.
    return null
  }
}

const refused = (detail: string) => ({ ok: false, code: 'signature_refused', detail }) as const
