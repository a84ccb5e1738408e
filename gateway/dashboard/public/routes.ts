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
    component: lazyRouteComponent(() => import('./sign-in.tsx'), 'SignInPage'),
  }),
  createRoute({ getParentRoute, path: '/join', component: lazyRouteComponent(() => import('./join.tsx'), 'JoinPage') }),
] as const
