// Who may register a node: the operator's wallet (EIP-712) and the node's own key (JWS) both agree, for one endpoint and until one deadline.
// The two signatures together keep anyone from registering somebody else's key, or their own key under somebody else's name.
import { getAddress, recoverTypedDataAddress } from 'viem'
import { z } from 'zod'
import { bytesToHex, fromBase64url } from '../../../protocol/canonical.ts'
import type { Result } from '../../../protocol/errors.ts'
import { importPublicKey } from '../../../protocol/keys.ts'
import {
  helloClaims,
  nodeAuthorizationDomain,
  nodeAuthorizationTypes,
  PROOF_TYP,
  registrationClaims,
  type RegisterNodeRequest,
} from '../../../protocol/node.ts'
import { verifyClaims } from '../../../protocol/ticket.ts'
import type { NodeId } from '../../../protocol/units.ts'

/** An authorization is signed for now, not for later. */
const DEADLINE_SECONDS_MAX = 24 * 3_600
/** How far a hello's time may be from ours, in seconds */
const HELLO_SECONDS = 60

type Checked<T> = Result<T, 'authorization_refused'>

/** What the operator's wallet signs, at a registration and at an exchange of keys alike. */
export type Authorization = Pick<
  RegisterNodeRequest,
  'operator' | 'nodeKey' | 'settlementKey' | 'deadline' | 'signature'
>
interface Context {
  readonly chainId: number
  readonly nowSeconds: number
}

/** @returns the operator's address, checksummed */
export async function checkAuthorization(request: RegisterNodeRequest, context: Context): Promise<Checked<string>> {
  const signer = await checkOperator(request, context)
  if (!signer.ok) return signer
  const claims = registrationClaims(request)
  const exactly = z.object({
    use: z.literal(claims.use),
    operator: z.literal(claims.operator),
    endpoint: z.literal(claims.endpoint),
    settlementKey: z.literal(claims.settlementKey),
    deadline: z.literal(claims.deadline),
  })
  const isAgreed = await isSignedBy(request.nodeKey, request.nodeProof, PROOF_TYP.registration, exactly)
  return isAgreed ? signer : refused('The node key has not signed this registration.')
}

/** The wallet's word alone. @returns its address, checksummed */
export async function checkOperator(request: Authorization, context: Context): Promise<Checked<string>> {
  const { deadline } = request
  if (deadline <= context.nowSeconds) return refused('Its deadline has passed.')
  if (deadline > context.nowSeconds + DEADLINE_SECONDS_MAX) return refused('Its deadline is more than a day ahead.')
  const signer = await signerOf(request, context.chainId)
  const isOperator = signer !== null && signer === getAddress(request.operator)
  return isOperator ? { ok: true, value: signer } : refused('It is not signed by the operator address.')
}

/** A node's word that it is up: signed by its key, for its id, within a minute of now. */
export async function checkHello(
  proof: string,
  node: { id: NodeId; nodeKey: string },
  nowSeconds: number,
): Promise<Checked<null>> {
  const { use, nodeId } = helloClaims(node.id, 0)
  const exactly = z.object({
    use: z.literal(use),
    nodeId: z.literal(nodeId),
    iat: z
      .number()
      .int()
      .min(nowSeconds - HELLO_SECONDS)
      .max(nowSeconds + HELLO_SECONDS),
  })
  const isSigned = await isSignedBy(node.nodeKey, proof, PROOF_TYP.hello, exactly)
  return isSigned
    ? { ok: true, value: null }
    : refused('The hello is not signed by the node key within the last minute.')
}

async function signerOf(request: Authorization, chainId: number): Promise<string | null> {
  try {
    return await recoverTypedDataAddress({
      domain: nodeAuthorizationDomain(chainId),
      types: nodeAuthorizationTypes,
      primaryType: 'NodeAuthorization',
      message: {
        operator: getAddress(request.operator),
        nodeKey: `0x${bytesToHex(fromBase64url(request.nodeKey))}`,
        settlementKey: getAddress(request.settlementKey),
        deadline: BigInt(request.deadline),
      },
      signature: hexOf(request.signature),
    })
  } catch {
    // viem throws one class per kind of broken signature; to the caller they are all one refusal.
    return null
  }
}

/** Whether a node's key signed exactly these claims. */
export async function isSignedBy(nodeKey: string, jws: string, typ: string, schema: z.ZodType): Promise<boolean> {
  try {
    const key = await importPublicKey(nodeKey)
    return (await verifyClaims(jws, typ, schema, () => Promise.resolve(key))).ok
  } catch {
    // The only thing that throws is a key that is no point of the curve.
    return false
  }
}

const hexOf = (signature: string): `0x${string}` => `0x${signature.slice(2)}`

const refused = (detail: string): Checked<never> => ({ ok: false, code: 'authorization_refused', detail })
