// The auth room's mounts: `auth` at /auth, `api` at /api. Chained, so that `hc<AppType>` knows every route.
import { Hono } from 'hono'
import type { AppEnv } from '../core/principal.ts'
import { createAccountRoutes } from './account-routes.ts'
import { createKeyRoutes } from './key-routes.ts'
import { createMemberRoutes } from './member-routes.ts'
import type { AuthNeeds } from './needs.ts'
import { createSessionRoutes } from './session-routes.ts'
import { createSignInRoutes } from './sign-in-routes.ts'

export function createAuthRoutes(needs: AuthNeeds) {
  return {
    auth: createSignInRoutes(needs),
    api: new Hono<AppEnv>()
      .route('/account', createAccountRoutes(needs))
      .route('/account', createMemberRoutes(needs))
      .route('/account', createSessionRoutes(needs))
      .route('/keys', createKeyRoutes(needs)),
  }
}
