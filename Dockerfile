FROM node:26-slim AS modules
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM node:26-slim
ENV NODE_ENV=production HOST=0.0.0.0 DATA_DIR=/var/lib/wardkeep KEY_URL=file:/etc/wardkeep/keys
WORKDIR /app
COPY --from=modules /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY src ./src
COPY seed ./seed
COPY policy ./policy
RUN mkdir -p /var/lib/wardkeep /etc/wardkeep/keys && chown -R node:node /var/lib/wardkeep /etc/wardkeep && chmod 700 /var/lib/wardkeep /etc/wardkeep/keys
USER node
VOLUME ["/var/lib/wardkeep", "/etc/wardkeep/keys"]
EXPOSE 8080
CMD ["node", "--max-semi-space-size=64", "src/main.ts"]
