// Exchange of a node's keys (flow): the operator's wallet authorises the new ones, the new key agrees, and the old key agrees too or, where it is
// lost, the wallet has just signed in. The node keeps its id, and with it history, state, offers and what vests. The old key is nobody's from then on;
// what it signed before still settles, since a receipt is held against the key its ticket names.
import { z } from 'zod'
import { LINK_CLOSE } from '../../../protocol/link.ts'
import { ROTATION_TYP, rotationClaims, type RotateRequest } from '../../../protocol/operator.ts'
import type { Clock } from '../../core/clock.ts'
import type { Config } from '../../core/env.ts'
import { GatewayError, logError } from '../../core/errors.ts'
import { SIGN_IN } from '../../core/limits.ts'
import type { SessionPrincipal } from '../../core/principal.ts'
import { checkOperator, isSignedBy } from './authorization.ts'
import type { NodeBook } from './node-book.ts'
import type { NodeGuards } from '../guard/node-guard.ts'
import { asNodeId, type NodeRow } from '../rows.ts'

export interface KeyNeeds {
  readonly book: NodeBook
  readonly nodeGuards: NodeGuards
  readonly config: Pick<Config, 'chainId'>
  readonly clock: Clock
}

/** Repeated safely: a node that has this key already is left alone. @throws GatewayError authorization_refused, fresh_sign_in_required, conflict */
export async function rotateKeys(
  needs: KeyNeeds,
  node: NodeRow,
  request: RotateRequest,
  who: SessionPrincipal,
): Promise<void> {
  if (request.nodeKey === node.nodeKey && isSameAddress(request.settlementKey, node.settlementKey)) return
  const now = needs.clock()
  const { nodeKey, settlementKey } = request
  const context = { chainId: needs.config.chainId, nowSeconds: Math.floor(now / 1_000) }
  const signer = await checkOperator(request, context)
  if (!signer.ok) throw new GatewayError(signer.code, { detail: signer.detail })
  if (!(await needs.book.hasWallet(who.accountId, signer.value)))
    throw refused('operator', 'The operator address is not a wallet of this account.')
  await requireProofs(node, request, now - who.signedInAt <= SIGN_IN.freshMs)
  const rotation = { nodeKey, settlementKey, operatorAddress: signer.value }
  if (!(await needs.book.keys.rotate(node, rotation, now)))
    throw new GatewayError('conflict', {
      param: 'nodeKey',
      detail: 'This key is or was a node’s, or this node’s key was exchanged just now.',
    })
  await dropLink(needs, node, 'Its key was exchanged: start it with the new one.')
}

/** No new link by the old key is let in; one that stands is closed, and should its guard not answer it is of no use with tickets for another key. */
export async function dropLink({ nodeGuards }: Pick<KeyNeeds, 'nodeGuards'>, node: NodeRow, reason: string) {
  await nodeGuards(asNodeId(node.id))
    .dropLink(LINK_CLOSE.revoked, reason)
    .catch((error: unknown) => logError(error, null))
}

async function requireProofs(node: NodeRow, request: RotateRequest, isFresh: boolean): Promise<void> {
  const claims = rotationClaims(node.id, node.nodeKey, request.nodeKey, request.deadline)
  const exactly = z.object({
    use: z.literal(claims.use),
    nodeId: z.literal(claims.nodeId),
    oldKey: z.literal(claims.oldKey),
    newKey: z.literal(claims.newKey),
    deadline: z.literal(claims.deadline),
  })
  if (!(await isSignedBy(request.nodeKey, request.newProof, ROTATION_TYP, exactly)))
    throw refused('newProof', 'The new key has not signed this exchange.')
  if (request.oldProof === undefined) {
    if (isFresh) return
    throw new GatewayError('fresh_sign_in_required', { detail: 'Without the old key the wallet signs in anew.' })
  }
  if (!(await isSignedBy(node.nodeKey, request.oldProof, ROTATION_TYP, exactly)))
    throw refused('oldProof', 'The old key has not signed this exchange.')
}

const isSameAddress = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()

const refused = (param: string, detail: string) => new GatewayError('authorization_refused', { param, detail })
