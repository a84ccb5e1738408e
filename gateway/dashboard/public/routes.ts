// The pages of `public` and their addresses; each is fetched when it is first opened.
import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { root } from '../root-route.tsx'
import type { ModelSearch } from './model.tsx'

const getParentRoute = () => root

export const publicRoutes = [
  createRoute({
    getParentRoute,
    path: '/',
    validateSearch: (search: Record<string, unknown>) => texts(search, ['q', 'task', 'code']),
    component: lazyRouteComponent(() => import('./market.tsx'), 'MarketPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/models/$author/$name',
    validateSearch: ({ window, ...search }: Record<string, unknown>): ModelSearch => ({
      ...(window === 'm5' || window === 'm30' ? { window } : {}),
      ...texts(search, ['code']),
    }),
    component: lazyRouteComponent(() => import('./model.tsx'), 'ModelPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/status',
    component: lazyRouteComponent(() => import('./status.tsx'), 'StatusPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/sign-in',
    // Where to go on afterwards: checked where it is used (session/come-back.ts).
    validateSearch: ({ from }: Record<string, unknown>): { from?: string } =>
      typeof from === 'string' ? { from } : {},
    component: lazyRouteComponent(() => import('./sign-in.tsx'), 'SignInPage'),
  }),
  createRoute({ getParentRoute, path: '/join', component: lazyRouteComponent(() => import('./join.tsx'), 'JoinPage') }),
] as const

/** Those of an address's search parameters that are texts. */
function texts<Name extends string>(
  search: Record<string, unknown>,
  names: readonly Name[],
): { [name in Name]?: string } {
  const found: { [name in Name]?: string } = {}
  for (const name of names) {
    const value = search[name]
    // The router reads `q=7` as a number.
    if (typeof value === 'string' || typeof value === 'number') found[name] = String(value)
  }
  return found
}
