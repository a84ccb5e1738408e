// The pages of `public` and their addresses; each is fetched when it is first opened.
import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { root } from '../root-route.tsx'

const getParentRoute = () => root

export const publicRoutes = [
  createRoute({ getParentRoute, path: '/', component: lazyRouteComponent(() => import('./market.tsx'), 'MarketPage') }),
  createRoute({
    getParentRoute,
    path: '/models/$author/$name',
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
