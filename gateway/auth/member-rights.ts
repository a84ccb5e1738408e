// What each member of an account may do (a rule): rights by role, and the right that each route asks of a signed-in wallet. A route that stands in
// no line here is for owners alone, so that forgetting one keeps people out instead of letting them in; a test finds it by its name. What the account
// itself may (its own things only, house admins, fresh sign-ins) every route asks besides.
import type { MemberRole } from '../../protocol/auth.ts'

/** Each one with who has it besides owners, who have all. */
const HOLDERS = {
  /** see what the account is, has, does and costs; be somebody, leave, file a dispute or a report */
  see: ['admin', 'member', 'billing'],
  /** keys and what calls with them */
  use: ['admin', 'member'],
  /** bring money in */
  top_up: ['admin', 'billing'],
  /** limits, webhooks, nodes, publications, policy, members below an owner */
  manage: ['admin'],
  /** where money goes, and that it goes */
  money_out: [],
  /** the house's own: asked of the wallet by each route (requireAdmin), whatever it is in its account */
  house: ['admin', 'member', 'billing'],
} as const satisfies Record<string, readonly MemberRole[]>
export type Right = keyof typeof HOLDERS

/** @example hasRight('billing', 'use') // false */
export const hasRight = (role: MemberRole, right: Right): boolean =>
  role === 'owner' || HOLDERS[right].some((holder) => holder === role)

/** Method and pattern, as the router spells them. */
export const ROUTE_RIGHTS: Readonly<Record<string, Right>> = {
  'POST /auth/nonce': 'see',
  'POST /auth/verify': 'see',
  'POST /auth/join': 'see',
  'POST /auth/sign-out': 'see',

  'GET /api/account': 'see',
  'GET /api/account/limits': 'see',
  'PUT /api/account/limits': 'manage',
  'POST /api/account/revoke-all': 'manage',
  'POST /api/account/wallets': 'manage',
  'DELETE /api/account/wallets/:address': 'manage',
  'GET /api/account/members': 'see',
  // Whom one may change, and to what, says member-change.ts; everybody may leave.
  'PUT /api/account/members/:address': 'see',
  'DELETE /api/account/members/:address/pending': 'manage',
  'GET /api/account/invitations': 'manage',
  'POST /api/account/invitations': 'manage',
  'DELETE /api/account/invitations/:id': 'manage',
  // One's own, unless an owner asks.
  'GET /api/account/sessions': 'see',
  'DELETE /api/account/sessions/:id': 'see',
  'GET /api/account/alerts': 'see',
  'PUT /api/account/alerts': 'manage',
  'GET /api/account/policy': 'see',
  'PUT /api/account/policy': 'manage',
  'GET /api/account/payout-address': 'see',
  'PUT /api/account/payout-address': 'money_out',
  // Taking a change back only keeps money where it went before.
  'DELETE /api/account/payout-address': 'manage',

  'GET /api/keys': 'use',
  'POST /api/keys': 'use',
  'GET /api/keys/:id': 'use',
  'POST /api/keys/:id/reroll': 'use',
  'DELETE /api/keys/:id': 'use',
  'POST /api/receipts': 'see',
  'GET /api/usage': 'see',
  'GET /api/calls/:id': 'see',
  'GET /api/spend': 'see',
  'GET /api/disputes': 'see',
  'POST /api/disputes': 'see',
  'POST /api/disputes/:id/withdraw': 'see',
  'POST /api/reports': 'see',

  'GET /api/journal': 'see',
  'GET /api/journal/head': 'see',
  'GET /api/statements': 'see',
  'GET /api/statements/:number': 'see',
  'GET /api/top-up': 'see',
  'POST /api/codes/redeem': 'top_up',
  'POST /api/faucet': 'top_up',
  'GET /api/withdrawals': 'see',
  'POST /api/withdrawals': 'money_out',

  'GET /api/webhooks': 'manage',
  'POST /api/webhooks': 'manage',
  'DELETE /api/webhooks/:id': 'manage',
  'POST /api/webhooks/:id/rotate': 'manage',
  'POST /api/webhooks/:id/enable': 'manage',
  'POST /api/webhooks/:id/test': 'manage',
  'GET /api/webhooks/:id/deliveries': 'manage',
  'POST /api/webhooks/:id/deliveries/:deliveryId/replay': 'manage',

  'GET /api/status': 'see',
  'GET /api/models': 'see',
  'POST /api/models': 'manage',
  'GET /api/models/:author/:name': 'see',
  'PUT /api/models/:author/:name/state': 'manage',
  'GET /api/models/:author/:name/prices': 'see',
  'GET /api/models/:id{[^/]+%2[Ff][^/]+}/prices': 'see',
  'GET /api/author/royalties': 'see',

  'GET /api/node-keys/:key': 'see',
  'GET /api/nodes': 'see',
  'POST /api/nodes': 'manage',
  'GET /api/nodes/:id': 'see',
  // Signed by the node itself.
  'POST /api/nodes/:id/hello': 'see',
  'GET /api/nodes/:id/status': 'see',
  'GET /api/nodes/:id/history': 'see',
  'GET /api/nodes/:id/earnings': 'see',
  'GET /api/nodes/:id/audits': 'see',
  'GET /api/nodes/:id/sanctions': 'see',
  'GET /api/nodes/:id/offers/:author/:name/prices': 'see',
  'GET /api/nodes/:id/offers/:model/prices': 'see',
  'PUT /api/nodes/:id/offers': 'manage',
  'POST /api/nodes/:id/selftest': 'manage',
  'POST /api/nodes/:id/drain': 'manage',
  'POST /api/nodes/:id/resume': 'manage',
  'POST /api/nodes/:id/rotate': 'manage',
  // Whoever revokes a node ends what it earns.
  'POST /api/nodes/:id/revoke': 'manage',
  'GET /api/operator/summary': 'see',
  'GET /api/operator/earnings': 'see',
  'GET /api/operator/models': 'see',
  'PUT /api/operator/models': 'manage',
}

const OF_THE_HOUSE = /^[A-Z]+ \/api\/admin\//

/** Null for a route that nobody named. @param route method and pattern */
export const rightAt = (route: string): Right | null =>
  OF_THE_HOUSE.test(route) ? 'house' : Object.hasOwn(ROUTE_RIGHTS, route) ? (ROUTE_RIGHTS[route] ?? null) : null

/** Whether a member of this role may ask this route at all. */
export function mayAsk(role: MemberRole, route: string): boolean {
  const right = rightAt(route)
  return role === 'owner' || (right !== null && hasRight(role, right))
}
